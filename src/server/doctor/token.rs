//! What proves that a request comes from somebody who holds `SECRET_KEY`.

use std::fmt::{self, Display};

use hmac::{Hmac, Mac};
use rand::RngExt;
use sha2::Sha256;

use crate::{
    auth::{Secret, derive_key},
    clock::Timestamp,
};

/// Separates this key from those that sign cookies.
const PURPOSE: &[u8] = b"handstamp doctor, HMAC-SHA256";
/// Separates responses from tokens, which the same key signs.
const RESPONSE_PURPOSE: &[u8] = b"handstamp doctor response, HMAC-SHA256";
/// How far the clocks of the two machines may differ. A stolen token is valid for as long,
/// and shows only what the server received of the thief's own requests.
const MAX_AGE_SECONDS: u64 = 5 * 60;

/// A token, good for some minutes and for nothing but the doctor's requests.
#[derive(Clone, Debug)]
pub(super) struct Token {
    seconds: u64,
    nonce: String,
    tag: String,
}

impl Token {
    /// A fresh token.
    pub fn sign(key: &Secret, now: Timestamp) -> Self {
        let (seconds, _) = now.unix();
        let nonce: u128 = rand::rng().random();
        let nonce = format!("{nonce:032x}");
        let tag = mac(key, seconds, &nonce).finalize().into_bytes();
        Self {
            seconds,
            nonce,
            tag: to_hex(&tag),
        }
    }

    /// The one of `keys` that has signed this token, lately.
    pub fn signer<'a>(
        text: &str,
        keys: impl IntoIterator<Item = &'a Secret>,
        now: Timestamp,
    ) -> Option<&'a Secret> {
        let parse = || {
            let mut parts = text.split('.');
            let seconds: u64 = parts.next()?.parse().ok()?;
            let (nonce, tag) = (parts.next()?, from_hex(parts.next()?)?);
            parts.next().is_none().then_some((seconds, nonce, tag))
        };
        let (seconds, nonce, tag) = parse()?;
        let is_signed = |key: &&Secret| mac(key, seconds, nonce).verify_slice(&tag).is_ok();
        let signer = keys.into_iter().find(is_signed)?;
        (now.unix().0.abs_diff(seconds) <= MAX_AGE_SECONDS).then_some(signer)
    }
}

impl Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seconds,
            nonce,
            tag,
        } = self;
        write!(f, "{seconds}.{nonce}.{tag}")
    }
}

/// Proves that the response `body` to `token` comes from somebody who holds `key`.
pub(super) fn prove(key: &Secret, token: &str, body: &[u8]) -> String {
    to_hex(&response_mac(key, token, body).finalize().into_bytes())
}

/// Whether [`prove`] has made this `proof`.
pub(super) fn is_proof(proof: &str, key: &Secret, token: &str, body: &[u8]) -> bool {
    let mac = response_mac(key, token, body);
    from_hex(proof).is_some_and(|proof| mac.verify_slice(&proof).is_ok())
}

fn response_mac(key: &Secret, token: &str, body: &[u8]) -> Hmac<Sha256> {
    let key: [u8; 64] = derive_key(key, RESPONSE_PURPOSE);
    let mut mac = <Hmac<Sha256> as Mac>::new(&key.into());
    // A token has no line break: where it ends is not to be mistaken.
    mac.update(token.as_bytes());
    mac.update(b"\n");
    mac.update(body);
    mac
}

fn mac(key: &Secret, seconds: u64, nonce: &str) -> Hmac<Sha256> {
    let key: [u8; 64] = derive_key(key, PURPOSE);
    let mut mac = <Hmac<Sha256> as Mac>::new(&key.into());
    mac.update(format!("{seconds}.{nonce}").as_bytes());
    mac
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] * 16 + pair[1])
            .collect(),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::auth::generate_secret_key;

    fn key() -> Secret {
        Secret::signing_key(&generate_secret_key()).unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_key_and_some_minutes() {
        let now = Timestamp::from(datetime!(2026-01-01 00:00 UTC));
        let (own, other) = (key(), key());
        let token = Token::sign(&own, now);
        let is_good = |keys: &[&Secret], now| {
            Token::signer(&token.to_string(), keys.iter().copied(), now).is_some()
        };
        assert!(is_good(&[&own], now));
        assert!(is_good(&[&other, &own], now), "a fallback key");
        assert!(!is_good(&[&other], now));
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (moment, expected) in [
            (now.after(minutes(4)), true),
            (now.before(minutes(4)), true),
            (now.after(minutes(6)), false),
            (now.before(minutes(6)), false),
        ] {
            assert_eq!(is_good(&[&own], moment), expected);
        }
    }

    #[test]
    fn a_response_is_proved_by_its_key_for_its_token_alone() {
        let (own, other) = (key(), key());
        let proof = prove(&own, "1.2.3", b"body");
        assert!(is_proof(&proof, &own, "1.2.3", b"body"));
        assert!(!is_proof(&proof, &other, "1.2.3", b"body"));
        assert!(!is_proof(&proof, &own, "1.2.4", b"body"));
        assert!(!is_proof(&proof, &own, "1.2.3", b"another"));
        assert!(!is_proof("", &own, "1.2.3", b"body"));
        let now = Timestamp::from(datetime!(2026-01-01 00:00 UTC));
        let token = Token::sign(&own, now);
        assert!(
            !is_proof(&token.tag, &own, &token.to_string(), b""),
            "the token's own tag"
        );
    }

    #[test]
    fn a_changed_token_is_good_for_nothing() {
        let now = Timestamp::from(datetime!(2026-01-01 00:00 UTC));
        let key = key();
        let text = Token::sign(&key, now).to_string();
        let is_good = |text: &str| Token::signer(text, [&key], now).is_some();
        assert!(is_good(&text));
        for (at, old) in text.char_indices() {
            let new = if old == '1' { "2" } else { "1" };
            let mut changed = text.clone();
            changed.replace_range(at..=at, new);
            assert!(!is_good(&changed), "{at}");
        }
        let long = format!("{text}.1");
        for text in [
            "",
            ".",
            "..",
            "1.2.3",
            &text[1..],
            &text[..text.len() - 2],
            &long,
            "é.é.é",
        ] {
            assert!(!is_good(text), "{text}");
        }
    }
}
