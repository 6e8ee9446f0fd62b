//! Signing up, logging in, asking who is logged in, logging out; and the auth's route table.

mod sessions;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
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

use crate::http::{
    Error, JsonBody, Problem,
    problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
};
use crate::{
    auth::{
        Auth,
        account::{
            self, Application,
            credentials::{self, Accepted, record_lock_out},
            user::User,
        },
        audit::Action,
        request::{SessionHandle, layer::ClientInfo},
        throttle::Used,
    },
    http::run_to_completion,
};

/// As many as an answer has, about.
const HEADERS: usize = 12;

impl Auth {
    /// The auth's routes, to be merged into any app.
    pub fn router(&self) -> Router {
        self.documented_router().into()
    }

    /// The auth's routes with their description.
    pub fn documented_router(&self) -> OpenApiRouter {
        let routes = OpenApiRouter::with_openapi(self.description())
            .routes(routes!(sign_up))
            .routes(routes!(log_in))
            .routes(routes!(check_login))
            .routes(routes!(log_out))
            .routes(routes!(
                sessions::list_sessions,
                sessions::end_other_sessions
            ))
            .routes(routes!(sessions::end_session))
            .routes(routes!(sessions::change_password));
        routes
            .with_state(self.clone())
            .layer(self.session_layer(false))
    }

    /// The cookie that operations ask for, by its name here.
    fn description(&self) -> OpenApi {
        let cookie = ApiKeyValue::with_description(
            self.sessions().cookie().name(),
            "Set by `POST /signup` and `POST /login`",
        );
        let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        let components = ComponentsBuilder::new().security_scheme("session", scheme);
        OpenApiBuilder::new()
            .components(Some(components.build()))
            .build()
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
    State(auth): State<Auth>,
    session: SessionHandle,
    ClientInfo(client): ClientInfo,
    JsonBody(body): JsonBody<SignUp>,
) -> Result<(StatusCode, Json<User>), Error> {
    run_to_completion(async move {
        let application = Application {
            username: body.username,
            email: Some(body.email),
            password: Some(body.password),
        };
        let mut attempt = auth.throttle().sign_up(client.ip);
        attempt.check(auth.db(), auth.now()).await?;
        let account = auth.accounts().check(application).await?;
        let replaced = session.replaced().await?.cleared();
        let (mut tx, user) = auth.accounts().begin_with(&account).await?;
        auth.hooks().on_sign_up(&mut tx, &user).await?;
        let used = attempt.count_with(&mut tx, auth.now()).await?;
        let at_home = auth.throttle().log_in(&user.username, client.ip);
        at_home.welcome(&mut tx, auth.now()).await?;
        session
            .log_in(tx, &user, &client, replaced, Action::SignUp)
            .await?;
        // The account is made, whatever becomes of the event.
        if used != Used::Some
            && let Err(error) = record_lock_out(&auth, &user, &client).await
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
    State(auth): State<Auth>,
    session: SessionHandle,
    ClientInfo(client): ClientInfo,
    JsonBody(body): JsonBody<LogIn>,
) -> Result<Json<User>, Error> {
    run_to_completion(async move {
        let Accepted {
            account,
            attempt,
            turn,
        } = credentials::check(&auth, &client, &body.username, body.password).await?;
        let replaced = session.replaced().await?;
        let mut tx = auth.db().begin().await?;
        if !account::store::note_login(&mut tx, &account, auth.now()).await? {
            return Err(Error::BadCredentials);
        }
        match turn {
            Some(_) => attempt.succeed(&mut tx, auth.now()).await?,
            None => attempt.welcome(&mut tx, auth.now()).await?,
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
async fn check_login(session: SessionHandle) -> Result<Response, Error> {
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
    session: SessionHandle,
    ClientInfo(client): ClientInfo,
) -> Result<Json<Empty>, Error> {
    run_to_completion(async move { session.log_out(&client).await }).await?;
    Ok(Json(Empty {}))
}
