//! Changing the password.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        account::credentials::Credentials,
        request::extract::{CurrentUser, RequestSession},
    },
    http::{
        Error, FieldErrors, JsonBody, Problem,
        problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
        run_to_completion,
    },
};

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordChange {
    #[serde(default)]
    #[schema(required, format = Password, min_length = 1, example = "plain tea at dawn")]
    current_password: String,
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

impl PasswordChange {
    fn check(&self) -> Result<(), Error> {
        let fields = [
            ("current_password", &self.current_password),
            ("new_password", &self.new_password),
        ];
        let missing = fields.into_iter().filter(|(_, value)| value.is_empty());
        let required = |(field, _): (&str, _)| (field.to_owned(), vec!["is required".to_owned()]);
        let errors: FieldErrors = missing.map(required).collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(errors))
        }
    }
}

/// Change the caller's password
///
/// This session goes on under a new id; the caller's others end. It proves who the caller is, as a
/// re-authentication does.
#[utoipa::path(post, path = "/password", tag = "account", request_body = PasswordChange,
    security(("session" = [])),
    responses(
        (status = 204, description = "Changed",
            headers(("Set-Cookie", description = "This session's new id"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_credentials`: that is not the current password"),
        NotLoggedIn,
        TooManyAttempts,
        Busy,
    ),
)]
pub(super) async fn change_password(
    State(credentials): State<Arc<Credentials>>,
    _: CurrentUser,
    session: RequestSession,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<StatusCode, Error> {
    body.check()?;
    // An attempt that was counted as failed is to be taken back, also when its client disconnects
    // while the password is verified.
    run_to_completion(async move {
        let RequestSession { handle, client } = session;
        let (user, session_id) = handle.user().await?;
        let passwords = (body.current_password, body.new_password);
        let password = credentials
            .admit_password(user, session_id, &client, passwords)
            .await?;
        let now = credentials.now();
        let change = (credentials.clone(), handle.clone(), password, client, now);
        let changed = credentials.db().write(
            change,
            |(credentials, handle, password, client, now), tx| {
                Box::pin(async move {
                    let changed = credentials.change_password(tx, password, client, *now);
                    let event = changed.await?.ok_or_else(|| handle.unknown_session())?;
                    handle.renew(tx, event, *now).await
                })
            },
        );
        handle.keep(changed.await?);
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
