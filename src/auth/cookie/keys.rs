//! The ring of signing keys: one signs, all verify.

use cookie::{Cookie, CookieJar, Key};
use hkdf::Hkdf;
use sha2::Sha256;

use super::Secret;
use super::token::SessionToken;

/// Separates our keys from any other use of the same secret (RFC 5869, 3.2).
const KEY_PURPOSE: &[u8] = b"handstamp session cookie, HMAC-SHA256";
const KEY_BYTES: usize = 64;
/// A second key from the same secret, from which only the key's id is derived.
const NAME_PURPOSE: &[u8] = b"handstamp key name";

/// The keys that sign and verify session tokens.
#[derive(Clone, Debug)]
pub struct KeyRing {
    current: Key,
    current_id: String,
    fallbacks: Vec<Key>,
}

/// A session token whose signature is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The token.
    pub token: SessionToken,
    /// Signed by a fallback key, or of an older version: to be re-signed.
    pub stale: bool,
}

impl KeyRing {
    /// `current` signs; it and the `fallbacks` verify.
    pub fn new(current: &Secret, fallbacks: &[Secret]) -> Self {
        Self {
            current: derive(current),
            current_id: key_id(current),
            fallbacks: fallbacks.iter().map(derive).collect(),
        }
    }

    /// The id of the signing key, which reveals nothing of it.
    pub fn current_id(&self) -> &str {
        &self.current_id
    }

    /// The token with its signature, as in the cookie.
    pub fn sign(&self, token: SessionToken) -> String {
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.current)
            .add(Cookie::new("", token.to_string()));
        jar.get("")
            .map(|cookie| cookie.value().to_owned())
            .unwrap_or_default()
    }

    /// The token in a signed value, if one of the keys has signed it.
    pub fn verify(&self, signed: &str) -> Option<Verified> {
        let token = |key| {
            let cookie = CookieJar::new()
                .signed(key)
                .verify(Cookie::new("", signed.to_owned()))?;
            cookie.value().parse::<SessionToken>().ok()
        };
        if let Some(token) = token(&self.current) {
            let stale = token.public_id.is_none();
            return Some(Verified { token, stale });
        }
        self.fallbacks
            .iter()
            .find_map(token)
            .map(|token| Verified { token, stale: true })
    }
}

/// The id of a key, which reveals nothing of it.
pub(crate) fn key_id(secret: &Secret) -> String {
    let bytes: [u8; 8] = derive_key(secret, NAME_PURPOSE);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

fn derive(secret: &Secret) -> Key {
    let bytes: [u8; KEY_BYTES] = derive_key(secret, KEY_PURPOSE);
    Key::from(&bytes)
}

/// A key for one purpose alone: HKDF-SHA256 with its extract step, since a secret may be any text (RFC 5869, 3.3).
pub(crate) fn derive_key<const BYTES: usize>(secret: &Secret, purpose: &[u8]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let hkdf = Hkdf::<Sha256>::new(None, secret.expose().as_bytes());
    // HKDF-SHA256 fails above 255 × 32 bytes only.
    if hkdf.expand(purpose, &mut bytes).is_err() {
        unreachable!("{BYTES} bytes are within what HKDF-SHA256 can give");
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use tower_sessions::session::Id;

    use super::*;
    use crate::auth::cookie::token::testing::token;

    fn secret(text: &str) -> Secret {
        Secret::signing_key(&format!("{text:x<40}")).unwrap()
    }

    fn ring(current: &str, fallbacks: &[&str]) -> KeyRing {
        KeyRing::new(
            &secret(current),
            &fallbacks.iter().copied().map(secret).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_fallback_verifies_but_never_signs() {
        let token = token(1);
        let old = ring("old", &[]);
        let rotated = ring("new", &["old"]);
        assert_eq!(
            rotated.verify(&old.sign(token)),
            Some(Verified { token, stale: true })
        );
        assert_eq!(
            rotated.verify(&rotated.sign(token)),
            Some(Verified {
                token,
                stale: false
            })
        );
        assert_eq!(old.verify(&rotated.sign(token)), None);
        assert_eq!(ring("new", &[]).verify(&old.sign(token)), None);
    }

    #[test]
    fn the_secret_id_alone_verifies_but_is_stale() {
        let ring = ring("a", &[]);
        let token = SessionToken::from(Id(1));
        assert_eq!(
            ring.verify(&ring.sign(token)),
            Some(Verified { token, stale: true })
        );
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(number in any::<i128>(), key in "[a-z]{32,64}") {
            let ring = ring(&key, &[]);
            let token = token(number);
            prop_assert_eq!(ring.verify(&ring.sign(token)), Some(Verified { token, stale: false }));
        }

        #[test]
        fn any_other_text_does_not(text in any::<String>()) {
            prop_assert_eq!(ring("a", &["b"]).verify(&text), None);
        }

        #[test]
        fn one_changed_character_spoils_it(number in any::<i128>(), at in 0usize..88, to in any::<char>()) {
            let ring = ring("a", &[]);
            let signed = ring.sign(token(number));
            let mut chars: Vec<char> = signed.chars().collect();
            prop_assume!(chars[at] != to);
            chars[at] = to;
            prop_assert_eq!(ring.verify(&chars.into_iter().collect::<String>()), None);
        }

        #[test]
        fn a_cut_value_does_not_verify(number in any::<i128>(), length in 0usize..88) {
            let ring = ring("a", &[]);
            prop_assert_eq!(ring.verify(&ring.sign(token(number))[..length]), None);
        }

        #[test]
        fn signatures_do_not_fit_another_token(one in any::<i128>(), other in any::<i128>()) {
            prop_assume!(one != other);
            let ring = ring("a", &[]);
            let (one, other) = (ring.sign(token(one)), ring.sign(token(other)));
            let swapped = format!("{}{}", &one[..44], &other[44..]);
            prop_assert_eq!(ring.verify(&swapped), None);
        }
    }
}
