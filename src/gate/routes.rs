//! Signing up, logging in, asking who is logged in, logging out; and the gate's route table.

use axum::{
    Json, Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, OpenApi, OpenApiBuilder,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    account_routes,
    accounts::Application,
    audit::Action,
    credentials::{self, Accepted, admit_sign_up, origin, record_sign_up_lock_out},
    request_session::RequestSession,
    session_layer::{GateClient, SessionLayer},
    state::Gate,
    throttle::Used,
    to_the_end::to_the_end,
    users::{self, User},
};
use crate::http::{
    Error, JsonBody, Problem,
    problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
};

/// As many as an answer has, about.
const HEADERS: usize = 12;

impl Gate {
    /// The gate's routes, to be merged into any app.
    pub fn router(&self) -> Router {
        self.documented_router().into()
    }

    /// The gate's routes with their description.
    pub fn documented_router(&self) -> OpenApiRouter {
        let routes = OpenApiRouter::with_openapi(self.description())
            .routes(routes!(sign_up))
            .routes(routes!(log_in))
            .routes(routes!(check_login))
            .routes(routes!(log_out))
            .routes(routes!(
                account_routes::list_sessions,
                account_routes::end_other_sessions
            ))
            .routes(routes!(account_routes::end_session))
            .routes(routes!(account_routes::change_password));
        routes.layer(self.session_layer(false))
    }

    /// The cookie that operations ask for, by its name here.
    fn description(&self) -> OpenApi {
        let cookie = ApiKeyValue::with_description(
            self.cookie().name(),
            "Set by `POST /signup` and `POST /login`",
        );
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        let components = ComponentsBuilder::new().security_scheme("session", scheme);
        OpenApiBuilder::new()
            .components(Some(components.build()))
            .build()
    }

    /// As [`Gate::protect`], for routes with a description.
    pub fn protect_documented(&self, router: OpenApiRouter) -> OpenApiRouter {
        router.layer(self.session_layer(true))
    }

    fn session_layer(&self, with_values: bool) -> SessionLayer {
        let gate = self.clone();
        SessionLayer { gate, with_values }
    }

    /// Puts a session around `router`, whose handlers can then take
    /// [`CurrentUser`](super::CurrentUser) and [`Session`](super::Session).
    pub fn protect<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        router.layer(self.session_layer(true))
    }
}

/// A missing field counts as empty, so that all that is wrong is said at once.
#[derive(Deserialize, ToSchema)]
struct SignUp {
    /// 2 to 32 letters, digits, `.`, `_` or `-`; two that differ in case alone are the same.
    /// Letters are of one script, none of them rare or invisible (UTS #39, Highly Restrictive).
    #[serde(default)]
    #[schema(
        required,
        min_length = 2,
        max_length = 32,
        pattern = r"^[\p{L}\p{N}\p{M}._-]+$",
        example = "Jackson"
    )]
    username: String,
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "jackson@example.com")]
    email: String,
    /// 8 to 256 characters, taken as they are; not easily guessed.
    #[serde(default)]
    #[schema(
        required,
        format = Password,
        min_length = 8,
        max_length = 256,
        example = "plain tea at dawn"
    )]
    password: String,
}

#[derive(Deserialize, ToSchema)]
struct LogIn {
    #[schema(example = "Jackson")]
    username: String,
    /// May be left out where `PASSWORDLESS_LOGIN` is on, by an account that has none.
    #[schema(format = Password, example = "plain tea at dawn")]
    password: Option<String>,
}

/// Nothing to say.
#[derive(Serialize, ToSchema)]
struct Empty {}

/// Make an account and log in
///
/// Whatever session came along is cleared.
#[utoipa::path(post, path = "/signup", tag = "session", request_body = SignUp, responses(
    (status = 201, body = User, description = "The account is made and logged in",
        headers(("Set-Cookie", description = "The new session"))),
    (status = 409, body = Problem, content_type = "application/problem+json",
        description = "`username_taken` or `email_taken`"),
    TooManyAttempts,
    Busy,
))]
async fn sign_up(
    session: RequestSession,
    GateClient(client): GateClient,
    JsonBody(body): JsonBody<SignUp>,
) -> Result<(StatusCode, Json<User>), Error> {
    to_the_end(async move {
        let gate = session.gate();
        let application = Application {
            username: body.username,
            email: Some(body.email),
            password: Some(body.password),
        };
        let attempt = admit_sign_up(gate, &client).await?;
        let account = gate.accounts().check(application, origin(&client)).await?;
        let replaced = session.replaced().await?.cleared();
        let (mut tx, user) = gate.accounts().begin_with(&account).await?;
        let used = attempt.count_with(&mut tx, gate.now()).await?;
        let at_home = gate.throttle().log_in(&user.username, client.ip);
        at_home.welcome(&mut tx, gate.now()).await?;
        session
            .log_in(tx, &user, &client, replaced, Action::SignUp)
            .await?;
        // The account is made, whatever becomes of the event.
        if used != Used::Some
            && let Err(error) = record_sign_up_lock_out(gate, Some(user.id), &client).await
        {
            tracing::warn!(
                detail = error.problem().detail,
                "a lock-out could not be written down"
            );
        }
        Ok((StatusCode::CREATED, Json(user)))
    })
    .await
}

/// Log in
///
/// On a new session id; the session that came along ends. Unknown user, wrong password and
/// disabled account are answered alike.
#[utoipa::path(post, path = "/login", tag = "session", request_body = LogIn, responses(
    (status = 200, body = User, description = "Logged in",
        headers(("Set-Cookie", description = "The new session"))),
    (status = 400, body = Problem, content_type = "application/problem+json",
        description = "`bad_credentials`"),
    TooManyAttempts,
    Busy,
))]
async fn log_in(
    session: RequestSession,
    GateClient(client): GateClient,
    JsonBody(body): JsonBody<LogIn>,
) -> Result<Json<User>, Error> {
    to_the_end(async move {
        let gate = session.gate();
        let Accepted {
            account,
            attempt,
            turn,
        } = credentials::check(gate, &client, &body.username, body.password).await?;
        let replaced = session.replaced().await?;
        let mut tx = gate.db().begin().await?;
        if !users::note_login(&mut tx, &account, gate.now()).await? {
            return Err(Error::BadCredentials);
        }
        match turn {
            Some(_) => attempt.succeed(&mut tx, gate.now()).await?,
            None => attempt.welcome(&mut tx, gate.now()).await?,
        }
        session
            .log_in(tx, &account.user, &client, replaced, Action::LogIn)
            .await?;
        drop(turn);
        Ok(Json(account.user))
    })
    .await
}

/// Who is logged in
///
/// The user is looked up, so that one who was deleted or disabled is out at once.
#[utoipa::path(get, path = "/checklogin", tag = "session", security(("session" = [])), responses(
    (status = 200, body = User, description = "Logged in"),
    NotLoggedIn,
))]
async fn check_login(session: RequestSession) -> Result<Response, Error> {
    let user = session.user_json().await?;
    let mut answer = Response::new(Body::from(user));
    let headers = answer.headers_mut();
    // With room for those of the layers: a map that grows is made anew.
    headers.reserve(HEADERS);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Ok(answer)
}

/// Log out
///
/// From then on no copy of the cookie is good for anything.
#[utoipa::path(delete, path = "/logout", tag = "session", security((), ("session" = [])), responses(
    (status = 200, body = Empty, description = "Nobody is logged in, whoever was",
        headers(("Set-Cookie", description = "Removes the cookie that came along"))),
))]
async fn log_out(
    session: RequestSession,
    GateClient(client): GateClient,
) -> Result<Json<Empty>, Error> {
    to_the_end(async move { session.log_out(&client).await }).await?;
    Ok(Json(Empty {}))
}
