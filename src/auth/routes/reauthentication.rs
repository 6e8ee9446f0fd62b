//! Proving again who one is.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        account::credentials::Credentials,
        request::{extract::RequestSession, info::SessionInfo},
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{Busy, NotLoggedIn, TooManyAttempts},
        run_to_completion,
    },
};

#[derive(Deserialize, ToSchema)]
pub(super) struct PasswordProof {
    #[serde(default)]
    #[schema(required, format = Password, min_length = 1, example = "plain tea at dawn")]
    password: String,
}

/// Prove again who the caller is
///
/// For what asks that this was done lately, see `403` `reauthentication_required`. The session goes
/// on under a new secret id and keeps its public one.
#[utoipa::path(post, path = "/reauthenticate", tag = "account", request_body = PasswordProof,
    security(("session" = [])),
    responses(
        (status = 200, body = SessionInfo, description = "As `GET /session`",
            headers(("Set-Cookie", description = "This session's new id"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_credentials`: that is not the password, or the account has none"),
        NotLoggedIn,
        TooManyAttempts,
        Busy,
    ),
)]
pub(super) async fn reauthenticate(
    State(credentials): State<Arc<Credentials>>,
    session: RequestSession,
    JsonBody(PasswordProof { password }): JsonBody<PasswordProof>,
) -> Result<Json<SessionInfo>, Error> {
    session.handle.enrolling().await?;
    if password.is_empty() {
        return Err(Error::invalid("password", "is required"));
    }
    // An attempt that was counted as failed is to be taken back, also when its client disconnects
    // while the password is verified.
    run_to_completion(async move {
        let RequestSession { handle, client } = session;
        let (session, user) = handle.enrolling().await?;
        let verified = credentials.verify_again(&client, &user, password).await?;
        let now = credentials.now();
        let proof = (credentials.clone(), handle.clone(), verified, client, now);
        let renewed =
            credentials
                .db()
                .write(proof, |(credentials, handle, verified, client, now), tx| {
                    Box::pin(async move {
                        let proved = credentials.reauthenticate(tx, verified, client, *now);
                        let event = proved.await?;
                        handle.renew(tx, event, *now).await
                    })
                });
        handle.keep(renewed.await?);
        let info = SessionInfo::reauthenticated(handle.sessions(), &session, user, now);
        Ok(Json(info))
    })
    .await
}
