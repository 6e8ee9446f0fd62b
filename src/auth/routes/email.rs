//! Verifying the address of an account, and changing it.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        account::{Accounts, credentials::Credentials, email::LinkRequest},
        request::{SessionHandle, extract::RequestSession},
        user::email::Email,
    },
    http::{
        Error, FieldErrors, JsonBody,
        problem_responses::{
            BadToken, MailNotConfigured, NotLoggedIn, ReauthenticationRequired, TooManyMails,
        },
    },
};

#[derive(Deserialize, ToSchema)]
pub(super) struct EmailToken {
    /// What follows `#token=` in the link.
    #[serde(default)]
    #[schema(
        required,
        min_length = 1,
        example = "4Vx0Qd4n5cqYkHnW1m0v5dQv0l1tq0d8n3q3oY6gq2E"
    )]
    token: String,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct EmailChange {
    /// The new address.
    #[serde(default)]
    #[schema(required, format = Email, max_length = 254, example = "jackson@example.com")]
    email: String,
}

/// The 422 that names those of the fields that are empty, if any.
pub(super) fn required(fields: &[(&str, &str)]) -> Result<(), Error> {
    let missing = fields.iter().filter(|(_, value)| value.is_empty());
    let errors: FieldErrors = missing
        .map(|(field, _)| ((*field).to_owned(), vec!["is required".to_owned()]))
        .collect();
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Error::Invalid(errors)),
    }
}

/// The address in the field `email`.
pub(super) fn parse(email: &str) -> Result<Email, Error> {
    let email = email.parse::<Email>();
    email.map_err(|what| Error::invalid("email", what.to_string()))
}

/// Send the link again that verifies the caller's address
///
/// Earlier links are of no use any more.
#[utoipa::path(post, path = "/email/verification", tag = "account", security(("session" = [])),
    responses(
        (status = 202, description = "The link is sent"),
        (status = 204, description = "The address is verified already, or there is none"),
        NotLoggedIn,
        TooManyMails,
        MailNotConfigured,
    ),
)]
pub(super) async fn send_verification(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
) -> Result<StatusCode, Error> {
    let RequestSession { handle, client } = session;
    let (user, session_id) = handle.user().await?;
    let requested = credentials.send_verification(user.id, session_id, &client);
    respond(requested.await?, &handle)
}

fn respond(requested: LinkRequest, handle: &SessionHandle) -> Result<StatusCode, Error> {
    match requested {
        LinkRequest::Sent => Ok(StatusCode::ACCEPTED),
        LinkRequest::NothingToVerify => Ok(StatusCode::NO_CONTENT),
        LinkRequest::LoggedOut => Err(handle.unknown_session()),
    }
}

/// Verify or change an address with a link
///
/// No login is needed. The link in the notice of a changed address takes the change back: every session
/// ends, the password no longer counts, and a link to choose another is sent to that address.
#[utoipa::path(post, path = "/email/verify", tag = "session", request_body = EmailToken,
    responses((status = 204, description = "Done"), BadToken),
)]
pub(super) async fn verify_email(
    State(accounts): State<Accounts>,
    RequestSession { client, .. }: RequestSession,
    JsonBody(EmailToken { token }): JsonBody<EmailToken>,
) -> Result<StatusCode, Error> {
    required(&[("token", &token)])?;
    accounts.use_email_token(&token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Request another address
///
/// Soon after a proof of who the caller is. A link is sent to it, and a notice to the old one; the
/// address changes when the link is used. The response is the same whether the address is free or taken.
#[utoipa::path(post, path = "/email", tag = "account", request_body = EmailChange,
    security(("session" = [])),
    responses(
        (status = 202, description = "The link is sent"),
        NotLoggedIn,
        ReauthenticationRequired,
        TooManyMails,
        MailNotConfigured,
    ),
)]
pub(super) async fn change_email(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(body): JsonBody<EmailChange>,
) -> Result<StatusCode, Error> {
    let RequestSession { handle, client } = session;
    let (user, session_id) = handle.recently_authenticated().await?;
    let email = parse(&body.email)?;
    let requested = credentials.request_email_change(user.id, session_id, email, &client);
    respond(requested.await?, &handle)
}
