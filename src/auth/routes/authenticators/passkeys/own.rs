//! The caller's own passkeys.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::PublicKeyOptions;
use crate::{
    auth::{
        account::credentials::Credentials,
        letters::words::device_name,
        passkey::{ChallengedBrowser, OwnPasskey, checked_name},
        request::{SessionHandle, extract::RequestSession},
        user::User,
    },
    http::{
        Client, Error, JsonBody, PathIds, Problem,
        problem_responses::{NotFound, NotLoggedIn, ReauthenticationRequired},
    },
};

#[derive(Serialize, ToSchema)]
pub(in crate::auth::routes) struct OwnPasskeys {
    passkeys: Vec<OwnPasskey>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::auth::routes) struct NewPasskey {
    /// What `credential.toJSON()` gives.
    #[serde(default)]
    #[schema(required, value_type = Object)]
    credential: Value,
    /// 1 to 64 characters; the browser and system that made it, if it is left out.
    #[schema(max_length = 64, example = "My phone")]
    name: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub(in crate::auth::routes) struct PasskeyName {
    #[serde(default)]
    #[schema(required, min_length = 1, max_length = 64, example = "My phone")]
    name: String,
}

/// The id of a passkey in a path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::auth::routes) struct PasskeyId {
    /// As the list shows it.
    id: String,
}

impl PasskeyId {
    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let id = BASE64_URL_SAFE_NO_PAD.decode(&self.id);
        id.map_err(|_| Error::NotFound)
    }
}

/// What a passkey is called that its user has given no name.
fn name_after(client: &Client) -> String {
    let device = device_name(client.user_agent.as_deref());
    match device.starts_with("an unknown") {
        true => "Passkey".to_owned(),
        false => device,
    }
}

/// The 422 of a body without a credential.
fn required(credential: &Value) -> Result<(), Error> {
    match credential {
        Value::Null => Err(Error::invalid("credential", "is required")),
        _ => Ok(()),
    }
}

/// Ask for a new passkey
///
/// Soon after a proof of who the caller is. The challenge is good for five minutes and one attempt, on
/// this session.
#[utoipa::path(post, path = "/passkeys/options", tag = "account", security(("session" = [])),
    responses(
        (status = 200, body = PublicKeyOptions,
            description = "For `PublicKeyCredential.parseCreationOptionsFromJSON`"),
        NotLoggedIn,
        ReauthenticationRequired,
    ),
)]
pub(in crate::auth::routes) async fn passkey_options(
    State(credentials): State<Arc<Credentials>>,
    session: SessionHandle,
) -> Result<Json<PublicKeyOptions>, Error> {
    let (user, session_id) = session.recently_authenticated_to_enrol().await?;
    let browser = ChallengedBrowser::session(session_id);
    let options = credentials.creation_options(&user, &browser).await?;
    Ok(Json(PublicKeyOptions(options)))
}

/// Add a passkey
///
/// Soon after a proof of who the caller is. From then on it logs in by itself, without a second factor.
#[utoipa::path(post, path = "/passkeys", tag = "account", request_body = NewPasskey,
    security(("session" = [])),
    responses(
        (status = 201, body = OwnPasskey),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_passkey`: it is not one, or not for the challenge of this session"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`too_many_passkeys`: the account has 50 already"),
        NotLoggedIn,
        ReauthenticationRequired,
    ),
)]
pub(in crate::auth::routes) async fn add_passkey(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    JsonBody(body): JsonBody<NewPasskey>,
) -> Result<(StatusCode, Json<OwnPasskey>), Error> {
    let (user, session_id) = handle.recently_authenticated_to_enrol().await?;
    let NewPasskey { credential, name } = body;
    required(&credential)?;
    let name = match name {
        Some(name) => checked_name(&name)?,
        None => name_after(&client),
    };
    let added = credentials
        .add_passkey(&user, session_id, credential, name, &client)
        .await?;
    let added = added.ok_or_else(|| handle.unknown_session())?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// The caller's passkeys
///
/// Oldest first.
#[utoipa::path(get, path = "/passkeys", tag = "account", security(("session" = [])), responses(
    (status = 200, body = OwnPasskeys),
    NotLoggedIn,
))]
pub(in crate::auth::routes) async fn list_passkeys(
    State(credentials): State<Arc<Credentials>>,
    session: SessionHandle,
) -> Result<Json<OwnPasskeys>, Error> {
    let (_, User { id: user_id, .. }) = session.enrolling().await?;
    let passkeys = credentials.list_passkeys(user_id).await?;
    Ok(Json(OwnPasskeys { passkeys }))
}

/// Rename a passkey
///
/// Soon after a proof of who the caller is.
#[utoipa::path(patch, path = "/passkeys/{id}", tag = "account", params(PasskeyId),
    request_body = PasskeyName,
    security(("session" = [])),
    responses(
        (status = 200, body = OwnPasskey),
        NotLoggedIn,
        ReauthenticationRequired,
        NotFound,
    ),
)]
pub(in crate::auth::routes) async fn rename_passkey(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    PathIds(id): PathIds<PasskeyId>,
    JsonBody(PasskeyName { name }): JsonBody<PasskeyName>,
) -> Result<Json<OwnPasskey>, Error> {
    let (user, session_id) = handle.recently_authenticated().await?;
    let (id, name) = (id.bytes()?, checked_name(&name)?);
    let renamed = credentials.rename_passkey((user.id, session_id), id, name, &client);
    let renamed = renamed.await?.ok_or_else(|| handle.unknown_session())?;
    Ok(Json(renamed))
}

/// Delete a passkey
///
/// Soon after a proof of who the caller is. Sessions that it has begun go on.
#[utoipa::path(delete, path = "/passkeys/{id}", tag = "account", params(PasskeyId),
    security(("session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        (status = 409, body = Problem, content_type = "application/problem+json",
            description = "`last_credential`: there would be nothing to log in with"),
        NotLoggedIn,
        ReauthenticationRequired,
        NotFound,
    ),
)]
pub(in crate::auth::routes) async fn delete_passkey(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    PathIds(id): PathIds<PasskeyId>,
) -> Result<StatusCode, Error> {
    let (user, session_id) = handle.recently_authenticated().await?;
    let deleted = credentials.delete_passkey((user.id, session_id), id.bytes()?, &client);
    deleted.await?.ok_or_else(|| handle.unknown_session())?;
    Ok(StatusCode::NO_CONTENT)
}
