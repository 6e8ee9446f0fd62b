//! The ceremonies of WebAuthn: registration and authentication.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, WebauthnError,
};

use super::RelyingParty;
use crate::{auth::user::User, http::Error};

/// The type of every credential that WebAuthn has.
const PUBLIC_KEY: &str = "public-key";

/// The longest id that a passkey may have (WebAuthn Level 3, 7.1).
const MAX_ID_BYTES: usize = 1023;

/// A ceremony that was begun: what the browser is sent, and what is kept.
pub(super) struct Ceremony<S> {
    /// As `PublicKeyCredential.parseCreationOptionsFromJSON` and its sibling take it.
    pub options: Value,
    pub challenge: Vec<u8>,
    /// What the response is checked against.
    pub state: S,
}

/// A passkey that an authenticator has made.
pub(super) struct Made {
    pub id: Vec<u8>,
    /// As JSON.
    pub credential: String,
    pub backed_up: bool,
}

/// What a use of a passkey has changed.
pub(super) struct Used {
    /// As JSON.
    pub credential: String,
    pub backed_up: bool,
}

/// Why a response was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not right, or not complete.
    Wrong,
    /// The authenticator has counted back: there may be a copy of it.
    SignCountBackwards,
}

impl RelyingParty {
    /// Begins to register a passkey of `user`, who has these already.
    pub(super) fn begin_registration(
        &self,
        user: &User,
        present: Vec<Vec<u8>>,
    ) -> Result<Ceremony<PasskeyRegistration>, Error> {
        let name = &user.username;
        let (challenge, state) = self
            .webauthn()
            .start_passkey_registration(user.id, name, name, Some(present))
            .map_err(|error| Error::internal(error.to_string()))?;
        let public_key = challenge.public_key;
        let challenge = public_key.challenge.to_vec();
        let mut options = serde_json::to_value(public_key).map_err(Error::internal)?;
        // Discoverable ones alone can be used without typing a name.
        options["authenticatorSelection"]["residentKey"] = json!("required");
        options["authenticatorSelection"]["requireResidentKey"] = json!(true);
        Ok(Ceremony {
            options,
            challenge,
            state,
        })
    }

    /// Begins an authentication by one of these passkeys, or by any if there are none.
    pub(super) fn begin_authentication(
        &self,
        of: Vec<Vec<u8>>,
    ) -> Result<Ceremony<DiscoverableAuthentication>, Error> {
        let (challenge, state) = self
            .webauthn()
            .start_discoverable_authentication()
            .map_err(|error| Error::internal(error.to_string()))?;
        let allowed = of
            .iter()
            .map(|id| json!({"type": PUBLIC_KEY, "id": BASE64_URL_SAFE_NO_PAD.encode(id)}));
        let public_key = challenge.public_key;
        let challenge = public_key.challenge.to_vec();
        let mut options = serde_json::to_value(public_key).map_err(Error::internal)?;
        options["allowCredentials"] = allowed.collect();
        Ok(Ceremony {
            options,
            challenge,
            state,
        })
    }

    /// Checks the response to [`begin_registration`](Self::begin_registration).
    pub(super) fn check_new(
        &self,
        credential: Value,
        state: &PasskeyRegistration,
    ) -> Result<Made, Error> {
        let response = serde_json::from_value::<RegisterPublicKeyCredential>(credential);
        let response = response.map_err(|_| Error::BadPasskey)?;
        if response.type_ != PUBLIC_KEY {
            return Err(Error::BadPasskey);
        }
        let made = self
            .webauthn()
            .finish_passkey_registration(&response, state);
        let made = made.map_err(|error| {
            self.note_refused(&error, &response.response.client_data_json);
            Error::BadPasskey
        });
        let made: Credential = made?.into();
        let id = made.cred_id.to_vec();
        if id.len() > MAX_ID_BYTES || id != response.raw_id.to_vec() {
            return Err(Error::BadPasskey);
        }
        Ok(Made {
            id,
            backed_up: made.backup_state,
            credential: serde_json::to_string(&Passkey::from(made)).map_err(Error::internal)?,
        })
    }

    /// Checks the response to [`begin_authentication`](Self::begin_authentication), for the passkey
    /// that it names, as it was stored.
    pub(super) fn check_use(
        &self,
        response: &PublicKeyCredential,
        state: DiscoverableAuthentication,
        credential: &str,
    ) -> Result<Result<Used, Refused>, Error> {
        let parsed = serde_json::from_str::<Passkey>(credential);
        let mut passkey = parsed.map_err(Error::internal)?;
        let checked = self
            .webauthn()
            .finish_discoverable_authentication_v2(response, state, &passkey);
        let checked = match checked {
            Ok(checked) if checked.user_verified() => checked,
            Ok(_) => return Ok(Err(Refused::Wrong)),
            Err(WebauthnError::CredentialPossibleCompromise) => {
                return Ok(Err(Refused::SignCountBackwards));
            }
            Err(error) => {
                self.note_refused(&error, &response.response.client_data_json);
                return Ok(Err(Refused::Wrong));
            }
        };
        let credential = match passkey.update_credential(&checked) {
            // As it was written, so that what has not changed compares as equal.
            Some(false) => credential.to_owned(),
            _ => serde_json::to_string(&passkey).map_err(Error::internal)?,
        };
        Ok(Ok(Used {
            credential,
            backed_up: checked.backup_state(),
        }))
    }
}

/// The response in a body; none when it is none.
pub(super) fn response_of(credential: Value) -> Option<PublicKeyCredential> {
    let response = serde_json::from_value::<PublicKeyCredential>(credential).ok()?;
    (response.type_ == PUBLIC_KEY).then_some(response)
}
