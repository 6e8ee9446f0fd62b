//! A forgotten password.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::email::required;
use crate::{
    auth::{
        account::credentials::Credentials, request::extract::RequestSession, user::email::Email,
    },
    http::{
        Error, JsonBody,
        problem_responses::{BadToken, Busy, MailNotConfigured, TooManyMails},
    },
};

#[derive(Deserialize, ToSchema)]
pub(super) struct ForgottenPassword {
    /// The address of the account.
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "jackson@example.com")]
    email: String,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordReset {
    /// What follows `#token=` in the link.
    #[serde(default)]
    #[schema(
        required,
        min_length = 1,
        example = "4Vx0Qd4n5cqYkHnW1m0v5dQv0l1tq0d8n3q3oY6gq2E"
    )]
    token: String,
    /// 8 (more where `PASSWORD_MIN_LENGTH` says so) to 256 characters, taken as they are; not
    /// easily guessed.
    #[serde(default)]
    #[schema(
        required,
        format = Password,
        min_length = 8,
        max_length = 256,
        example = "black coffee by noon"
    )]
    new_password: String,
}

/// Request a link to choose a new password
///
/// It is sent to the address if that has an account. Whether it has one makes no difference to the
/// response or its time.
#[utoipa::path(post, path = "/password/forgot", tag = "session", request_body = ForgottenPassword,
    responses(
        (status = 202, description = "The link is sent, if there is an account"),
        TooManyMails,
        MailNotConfigured,
    ),
)]
pub(super) async fn forgot_password(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { client, .. }: RequestSession,
    JsonBody(body): JsonBody<ForgottenPassword>,
) -> Result<StatusCode, Error> {
    let email: Email = super::email::parse(&body.email)?;
    credentials.forgot_password(email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Choose a new password with a link
///
/// Every session of the account ends, and other links are of no use any more.
#[utoipa::path(post, path = "/password/reset", tag = "session", request_body = PasswordReset,
    responses(
        (status = 204, description = "The password is set"),
        BadToken,
        Busy,
    ),
)]
pub(super) async fn reset_password(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { client, .. }: RequestSession,
    JsonBody(body): JsonBody<PasswordReset>,
) -> Result<StatusCode, Error> {
    let PasswordReset {
        token,
        new_password,
    } = body;
    required(&[("token", &token), ("new_password", &new_password)])?;
    credentials
        .reset_password(&token, new_password, &client)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
