//! Responses of authenticators that were changed on the way: none is taken that was not signed, and none
//! is more than refused.

#![allow(clippy::unwrap_used)]

// What the tests over HTTP use as well.
#[path = "../../../tests/http/helpers/authenticators/soft.rs"]
#[allow(dead_code, clippy::unwrap_used)]
mod authenticator;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use self::authenticator::{Authenticator, ORIGIN, encode};
use super::{
    RelyingParty,
    ceremony::{Refused, response_of},
    store::StoredPasskey,
};
use crate::{
    auth::user::User,
    fuzz::{fuzz, spoilt},
    http::Error,
};

/// What CBOR, COSE and the client's data are made of.
const WORDS: &[&str] = &[
    "\u{0}",
    "\u{1}",
    "\u{20}",
    "\u{7f}",
    "fmt",
    "none",
    "packed",
    "attStmt",
    "authData",
    "x5c",
    "sig",
    "alg",
    "webauthn.get",
    "webauthn.create",
    "challenge",
    "origin",
    "crossOrigin",
    "true",
    "null",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
];
const CREATION: &[&str] = &["/response/attestationObject", "/response/clientDataJSON"];
const USE: &[&str] = &[
    "/response/authenticatorData",
    "/response/clientDataJSON",
    "/response/signature",
];

struct Site {
    relying_party: RelyingParty,
    user: User,
}

impl Site {
    fn new() -> Self {
        let user = User {
            id: Uuid::from_u128(1),
            username: "Ann".to_owned(),
            email: None,
            email_verified: false,
            created_at: datetime!(2026-01-01 00:00 UTC).into(),
        };
        Self {
            relying_party: RelyingParty::new("localhost", [ORIGIN]).unwrap(),
            user,
        }
    }
}

fn bytes_of(response: &Value, field: &str) -> Vec<u8> {
    let encoded = response.pointer(field).unwrap().as_str().unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()
}

/// A response with one of its fields spoilt.
fn spoil(
    response: &Value,
    fields: &'static [&'static str],
) -> impl Strategy<Value = (&'static str, Vec<u8>)> + use<> {
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (*field, bytes_of(response, field)))
        .collect();
    prop::sample::select(fields)
        .prop_flat_map(|(field, bytes)| (Just(field), spoilt(Just(bytes), WORDS)))
}

fn with(response: &Value, field: &str, bytes: &[u8]) -> Value {
    let mut response = response.clone();
    *response.pointer_mut(field).unwrap() = json!(encode(bytes));
    response
}

#[test]
#[ignore = "scripts/fuzz runs it"]
fn fuzz_new_passkeys() {
    let site = Site::new();
    let ceremony = site
        .relying_party
        .begin_registration(&site.user, Vec::new());
    let ceremony = ceremony.unwrap();
    let response = Authenticator::default().create(&ceremony.options);
    let check = |response| site.relying_party.check_new(response, &ceremony.state);
    assert!(check(response.clone()).is_ok());
    fuzz(
        "new passkeys",
        || spoil(&response, CREATION),
        |(field, bytes)| {
            let checked = check(with(&response, field, &bytes));
            // A key is attested by nobody: what has become of it is the browser's own affair.
            prop_assert!(matches!(checked, Ok(_) | Err(Error::BadPasskey)));
            Ok(())
        },
    );
}

#[test]
#[ignore = "scripts/fuzz runs it"]
fn fuzz_uses_of_passkeys() {
    let site = Site::new();
    let (relying_party, mut authenticator) = (&site.relying_party, Authenticator::default());
    let ceremony = relying_party
        .begin_registration(&site.user, Vec::new())
        .unwrap();
    let made = authenticator.create(&ceremony.options);
    let made = relying_party.check_new(made, &ceremony.state).unwrap();
    let stored = StoredPasskey {
        user_id: site.user.id,
        credential: made.credential,
    };
    let ceremony = relying_party.begin_authentication(Vec::new()).unwrap();
    let response = authenticator.get(&ceremony.options);
    let check = |response: Value| match response_of(response) {
        Some(response) => relying_party
            .check_use(&response, ceremony.state.clone(), &stored.credential)
            .map(|checked| checked.map(drop)),
        None => Ok(Err(Refused::Wrong)),
    };
    assert!(matches!(check(response.clone()), Ok(Ok(()))));
    fuzz(
        "uses of passkeys",
        || spoil(&response, USE),
        |(field, bytes)| {
            let checked = check(with(&response, field, &bytes));
            let is_changed = bytes != bytes_of(&response, field);
            prop_assert_eq!(checked.unwrap().is_err(), is_changed);
            Ok(())
        },
    );
}

#[test]
#[ignore = "scripts/fuzz runs it"]
fn fuzz_responses_of_any_shape() {
    let site = Site::new();
    let ceremony = site
        .relying_party
        .begin_registration(&site.user, Vec::new());
    let ceremony = ceremony.unwrap();
    let response = Authenticator::default().create(&ceremony.options);
    let text = response.to_string().into_bytes();
    fuzz(
        "responses of any shape",
        || spoilt(Just(text.clone()), WORDS),
        |text| {
            let Ok(response) = serde_json::from_slice::<Value>(&text) else {
                return Ok(());
            };
            super::challenges::challenge_of(&response);
            response_of(response.clone());
            let checked = site.relying_party.check_new(response, &ceremony.state);
            prop_assert!(matches!(checked, Ok(_) | Err(Error::BadPasskey)));
            Ok(())
        },
    );
}
