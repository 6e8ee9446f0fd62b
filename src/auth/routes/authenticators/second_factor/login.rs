//! The second step of a login.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::totp::{Code, code_of};
use crate::{
    auth::{
        account::credentials::Credentials,
        request::extract::RequestSession,
        totp::{Factor, SecondStep},
        user::User,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{NotLoggedIn, TooManyAttempts},
    },
};

#[derive(Deserialize, ToSchema)]
pub(in crate::auth::routes) struct RecoveryCode {
    /// One of the ten that were shown when codes were turned on; in any case, with or without `-`.
    #[serde(default)]
    #[schema(required, min_length = 1, example = "3h7k-9qxn-0m2r-vw5c-61dt-y8pe")]
    code: String,
}

/// Log in, second step: a code
///
/// With a code of the authenticator app, after `POST /login` with the right password got 202. On a
/// new session id. A code counts once.
#[utoipa::path(post, path = "/login/totp", tag = "session", request_body = Code,
    security(("session" = [])),
    responses(
        (status = 200, body = User, description = "Logged in",
            headers(("Set-Cookie", description = "The new session"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_code`: it is wrong, or was used already"),
        NotLoggedIn,
        TooManyAttempts,
    ),
)]
pub(in crate::auth::routes) async fn log_in_with_totp(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(Code { code }): JsonBody<Code>,
) -> Result<Json<User>, Error> {
    let factor = Factor::Totp(code_of(code)?);
    log_in(&credentials, session, factor).await
}

/// Log in, second step: a recovery code
///
/// In the place of a code of the authenticator app. It is used up.
#[utoipa::path(post, path = "/login/recovery-code", tag = "session", request_body = RecoveryCode,
    security(("session" = [])),
    responses(
        (status = 200, body = User, description = "Logged in",
            headers(("Set-Cookie", description = "The new session"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_code`: it is wrong, or was used already"),
        NotLoggedIn,
        TooManyAttempts,
    ),
)]
pub(in crate::auth::routes) async fn log_in_with_recovery_code(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(RecoveryCode { code }): JsonBody<RecoveryCode>,
) -> Result<Json<User>, Error> {
    let factor = Factor::RecoveryCode(code_of(code)?);
    log_in(&credentials, session, factor).await
}

async fn log_in(
    credentials: &Credentials,
    session: RequestSession,
    factor: Factor,
) -> Result<Json<User>, Error> {
    let done = log_in_on(credentials, session, factor).await;
    credentials.logins.note(&done);
    done.map(Json)
}

async fn log_in_on(
    credentials: &Credentials,
    RequestSession { handle, client }: RequestSession,
    factor: Factor,
) -> Result<User, Error> {
    let session_id = handle.session_of_nobody().await?;
    let step = SecondStep::find(credentials, session_id, factor, client).await?;
    let step = step.ok_or_else(|| handle.first_step_missing())?;
    let replaced = handle.replaced().await?;
    let done = step.log_in(handle.sessions(), replaced).await?;
    let (user, logged_in) = done.ok_or_else(|| handle.first_step_missing())?;
    handle.log_in(logged_in);
    Ok(user)
}
