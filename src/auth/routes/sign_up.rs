//! Signing up.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{
        account::{Application, credentials::Credentials},
        audit::Action,
        request::extract::RequestSession,
        session::proof::Factors,
        user::User,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{Busy, TooManyAttempts},
    },
};

/// A missing field counts as empty, so that all that is wrong is said at once.
#[derive(Deserialize, ToSchema)]
pub(super) struct SignUp {
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
    /// 8 (more where `PASSWORD_MIN_LENGTH` says so) to 256 characters, taken as they are; not
    /// easily guessed.
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
pub(super) async fn sign_up(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(body): JsonBody<SignUp>,
) -> Result<(StatusCode, Json<User>), Error> {
    let RequestSession { handle, client } = session;
    let application = Application::new(body.username)
        .email(Some(body.email))
        .password(Some(body.password));
    let admitted = credentials.admit(application, &client).await?;
    let replaced = handle.replaced().await?.cleared();
    let sessions = handle.sessions().clone();
    let sign_up = (credentials.clone(), sessions, admitted, client, replaced);
    let begun = credentials.db().write(
        sign_up,
        |(credentials, sessions, admitted, client, replaced), tx| {
            Box::pin(async move {
                let user = credentials.sign_up(tx, admitted, client).await?;
                let begun = sessions
                    .begin(tx, &user, client, replaced, Action::SignUp, Factors::One)
                    .await;
                Ok::<_, Error>((user, begun?))
            })
        },
    );
    let (user, logged_in) = begun.await?;
    handle.log_in(logged_in);
    Ok((StatusCode::CREATED, Json(user)))
}

/// What to do next.
#[derive(Serialize, ToSchema)]
pub(super) struct VerifyEmail {
    /// Open the link that was sent to the address.
    next: VerifyEmailStep,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum VerifyEmailStep {
    VerifyEmail,
}

/// Ask for an account
///
/// A link that verifies the address is sent to it; nobody is logged in before it was opened. Whether
/// the address has an account already is told to its owner alone, by mail.
#[utoipa::path(post, path = "/signup", tag = "session", request_body = SignUp, responses(
    (status = 202, body = VerifyEmail, description = "The link is sent"),
    (status = 409, body = Problem, content_type = "application/problem+json",
        description = "`username_taken`"),
    TooManyAttempts,
    Busy,
))]
pub(super) async fn sign_up_unverified(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { client, .. }: RequestSession,
    JsonBody(body): JsonBody<SignUp>,
) -> Result<(StatusCode, Json<VerifyEmail>), Error> {
    let application = Application::new(body.username)
        .email(Some(body.email))
        .password(Some(body.password));
    let admitted = credentials.admit(application, &client).await?;
    let sign_up = (credentials.clone(), admitted, client);
    let signed_up = credentials
        .db()
        .write(sign_up, |(credentials, admitted, client), tx| {
            Box::pin(credentials.sign_up(tx, admitted, client))
        });
    signed_up.await?;
    let next = VerifyEmailStep::VerifyEmail;
    Ok((StatusCode::ACCEPTED, Json(VerifyEmail { next })))
}

/// Nobody can sign up here
///
/// An operator makes the accounts.
#[utoipa::path(post, path = "/signup", tag = "session", responses(
    (status = 403, body = Problem, content_type = "application/problem+json",
        description = "`signup_closed`"),
))]
pub(super) async fn refuse_sign_up() -> Error {
    Error::SignUpClosed
}
