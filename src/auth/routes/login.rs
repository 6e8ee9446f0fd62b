//! Logging in, checking who is logged in, logging out.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{
        account::credentials::Credentials,
        audit::Action,
        request::{SessionHandle, extract::RequestSession},
        user::User,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
        run_to_completion,
    },
};

/// About as many headers as a response has.
const HEADERS: usize = 12;

#[derive(Deserialize, ToSchema)]
pub(super) struct LogIn {
    #[schema(example = "Jackson")]
    username: String,
    /// May be left out where `PASSWORDLESS_LOGIN` is on, by an account that has none.
    #[schema(format = Password, example = "plain tea at dawn")]
    password: Option<String>,
}

/// Nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct Empty {}

/// Log in
///
/// On a new session id; the session that came along ends. Unknown user, wrong password and
/// disabled account get the same response.
#[utoipa::path(post, path = "/login", tag = "session", request_body = LogIn, responses(
    (status = 200, body = User, description = "Logged in",
        headers(("Set-Cookie", description = "The new session"))),
    (status = 400, body = Problem, content_type = "application/problem+json",
        description = "`bad_credentials`"),
    (status = 403, body = Problem, content_type = "application/problem+json",
        description = "`email_not_verified`: the password is right, and the link was sent again"),
    TooManyAttempts,
    Busy,
))]
pub(super) async fn log_in(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(body): JsonBody<LogIn>,
) -> Result<Json<User>, Error> {
    let logins = credentials.logins.clone();
    // An attempt that was counted as failed is to be taken back, also when its client disconnects
    // while the password is verified.
    run_to_completion(async move {
        let done = log_in_with(credentials, session, body).await;
        logins.note(&done);
        done.map(Json)
    })
    .await
}

async fn log_in_with(
    credentials: Arc<Credentials>,
    session: RequestSession,
    body: LogIn,
) -> Result<User, Error> {
    let RequestSession { handle, client } = session;
    let verified = credentials.verify(&client, &body.username, body.password);
    let verified = verified.await?;
    credentials.refuse_unverified(&verified, &client).await?;
    let user = verified.user().clone();
    let replaced = handle.replaced().await?;
    let sessions = handle.sessions().clone();
    let login = (credentials.clone(), sessions, verified, client, replaced);
    let begun = credentials.db().write(
        login,
        |(credentials, sessions, verified, client, replaced), tx| {
            Box::pin(async move {
                credentials.log_in(tx, verified, client).await?;
                sessions
                    .begin(tx, verified.user(), client, replaced, Action::LogIn)
                    .await
            })
        },
    );
    handle.keep(begun.await?);
    Ok(user)
}

/// Who is logged in
///
/// The user is looked up, so that one who was deleted or disabled is out at once.
#[utoipa::path(get, path = "/checklogin", tag = "session", security(("session" = [])), responses(
    (status = 200, body = User, description = "Logged in"),
    NotLoggedIn,
))]
pub(super) async fn check_login(session: SessionHandle) -> Result<Response, Error> {
    let user = session.user_json().await?;
    let mut response = Response::new(Body::from(user));
    let headers = response.headers_mut();
    // With room for those of the layers: a map that grows is reallocated.
    headers.reserve(HEADERS);
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    Ok(response)
}

/// Log out
///
/// From then on no copy of the cookie is good for anything.
#[utoipa::path(delete, path = "/logout", tag = "session", security((), ("session" = [])), responses(
    (status = 200, body = Empty, description = "Logged out; also when nobody was logged in",
        headers(("Set-Cookie", description = "Removes the cookie that came along"))),
))]
pub(super) async fn log_out(session: RequestSession) -> Result<Json<Empty>, Error> {
    session.log_out().await?;
    Ok(Json(Empty {}))
}
