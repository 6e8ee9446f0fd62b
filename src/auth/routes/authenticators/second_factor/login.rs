//! The second step of a login.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, FromRequestParts, State},
    http::request::Parts,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::totp::{Code, code_of};
use crate::{
    auth::{
        account::credentials::Credentials,
        audit::Action,
        request::extract::RequestSession,
        session::proof::Factors,
        totp::{Factor, Refused, SecondStep},
        user::User,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{Busy, NotLoggedIn, TooManyAttempts, TooManyCodes},
    },
};

/// A login whose first step was done on the session of the request. As an argument before the body it
/// gives everybody else 401, whatever they send.
pub(in crate::auth::routes) struct FirstStep {
    session: RequestSession,
    step: SecondStep,
}

impl<S> FromRequestParts<S> for FirstStep
where
    S: Send + Sync,
    Arc<Credentials>: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = RequestSession::from_request_parts(parts, state).await?;
        let credentials = Arc::<Credentials>::from_ref(state);
        let found = find(&credentials, &session).await;
        if found.is_err() {
            credentials.logins.note(&found);
        }
        let step = found?.ok_or_else(|| session.handle.first_step_missing())?;
        Ok(Self { session, step })
    }
}

async fn find(
    credentials: &Credentials,
    RequestSession { handle, client }: &RequestSession,
) -> Result<Option<SecondStep>, Error> {
    let session_id = handle.session_of_nobody().await?;
    SecondStep::find(credentials, session_id, client.clone()).await
}

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
        TooManyCodes,
        Busy,
    ),
)]
pub(in crate::auth::routes) async fn log_in_with_totp(
    State(credentials): State<Arc<Credentials>>,
    first_step: FirstStep,
    JsonBody(Code { code }): JsonBody<Code>,
) -> Result<Json<User>, Error> {
    let factor = Factor::Totp(code_of(code)?);
    log_in(&credentials, first_step, factor).await
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
        Busy,
    ),
)]
pub(in crate::auth::routes) async fn log_in_with_recovery_code(
    State(credentials): State<Arc<Credentials>>,
    first_step: FirstStep,
    JsonBody(RecoveryCode { code }): JsonBody<RecoveryCode>,
) -> Result<Json<User>, Error> {
    let factor = Factor::RecoveryCode(code_of(code)?);
    log_in(&credentials, first_step, factor).await
}

async fn log_in(
    credentials: &Credentials,
    first_step: FirstStep,
    factor: Factor,
) -> Result<Json<User>, Error> {
    let done = log_in_on(credentials, first_step, factor).await;
    credentials.logins.note(&done);
    done.map(Json)
}

async fn log_in_on(
    credentials: &Credentials,
    FirstStep { session, step }: FirstStep,
    factor: Factor,
) -> Result<User, Error> {
    let RequestSession { handle, client } = session;
    let prepared = step.prepare(factor).await?;
    let prepared = prepared.ok_or_else(|| handle.first_step_missing())?;
    let replaced = handle.replaced().await?;
    let login = (prepared, handle.sessions().clone(), client, replaced);
    let done = credentials
        .db()
        .write(login, |(prepared, sessions, client, replaced), tx| {
            Box::pin(async move {
                let verified = match prepared.check(tx).await? {
                    Ok(verified) => verified,
                    // To be committed: the attempt was counted.
                    Err(refused) => return Ok(Err(refused)),
                };
                let (user, factors) = (verified.user(), Factors::Two);
                let begun = sessions.begin(tx, user, client, replaced, Action::LogIn, factors);
                Ok::<_, Error>(Ok((user.clone(), begun.await?)))
            })
        });
    match done.await? {
        Ok((user, logged_in)) => {
            handle.log_in(logged_in);
            Ok(user)
        }
        Err(Refused::NotHalfDone) => Err(handle.first_step_missing()),
        Err(Refused::WrongCode) => Err(Error::BadCode),
        Err(Refused::LockedOut) => Err(Error::CodesLockedOut),
    }
}
