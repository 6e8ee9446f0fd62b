//! Signed moments: what proofs and challenges are made of.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    auth::cookie::{Secret, keys::derive_key},
    clock::Timestamp,
};

/// Separates this key from any other use of the same secret (RFC 5869, 3.2).
const KEY_PURPOSE: &[u8] = b"handstamp device proofs, HMAC-SHA256";
const MOMENT_BYTES: usize = 8;
/// Half of an HMAC-SHA256, the least that RFC 2104, 5 recommends; each cookie carries it.
const TAG_BYTES: usize = 16;
/// 24 bytes in base64, without padding.
const TEXT_BYTES: usize = 32;

/// A signed moment as text.
pub(crate) type Text = [u8; TEXT_BYTES];

/// What a moment is signed for; one for another purpose does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The cookie: when it expires.
    Proof = 1,
    /// The challenge of a registration: when it was made.
    Registration = 2,
    /// The challenge of a refresh: when it was made.
    Refresh = 3,
}

/// The keys that sign and verify: one signs, all verify.
#[derive(Clone)]
pub(super) struct MomentKeys {
    current: Hmac<Sha256>,
    fallbacks: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for MomentKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MomentKeys").finish_non_exhaustive()
    }
}

impl MomentKeys {
    pub fn new(current: &Secret, fallbacks: &[Secret]) -> Self {
        Self {
            current: keyed(current),
            fallbacks: fallbacks.iter().map(keyed).collect(),
        }
    }

    /// Signs a moment of a session.
    pub fn sign(&self, purpose: Purpose, session: Uuid, moment: Timestamp) -> String {
        let moment = moment.unix_micros().to_be_bytes();
        let tag = mac(&self.current, purpose, session, moment).finalize();
        let mut bytes = moment.to_vec();
        bytes.extend(&tag.into_bytes()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The moment, if one of the keys has signed it for this purpose and session.
    pub fn verify(&self, purpose: Purpose, session: Uuid, text: &[u8]) -> Option<Timestamp> {
        let text: &Text = text.try_into().ok()?;
        let mut bytes = [0; MOMENT_BYTES + TAG_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (moment, tag) = bytes.get(..length)?.split_first_chunk()?;
        let mut keys = std::iter::once(&self.current).chain(&self.fallbacks);
        keys.any(|key| {
            let mac = mac(key, purpose, session, *moment);
            tag.len() == TAG_BYTES && mac.verify_truncated_left(tag).is_ok()
        })
        .then(|| Timestamp::from_unix_micros(i64::from_be_bytes(*moment)))
    }
}

fn keyed(secret: &Secret) -> Hmac<Sha256> {
    let key: [u8; 32] = derive_key(secret, KEY_PURPOSE);
    match Hmac::new_from_slice(&key) {
        Ok(keyed) => keyed,
        Err(_) => unreachable!("HMAC takes a key of any length"),
    }
}

fn mac(
    key: &Hmac<Sha256>,
    purpose: Purpose,
    session: Uuid,
    moment: [u8; MOMENT_BYTES],
) -> Hmac<Sha256> {
    key.clone()
        .chain_update([purpose as u8])
        .chain_update(session.as_bytes())
        .chain_update(moment)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::signing_key(&format!("{text:x<40}")).unwrap()
    }

    const SESSION: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_moment_is_good_for_its_purpose_and_session_alone() {
        let keys = MomentKeys::new(&secret("a"), &[]);
        let moment = Timestamp::from_unix_micros(1_700_000_000_000_000);
        let text = keys.sign(Purpose::Proof, SESSION, moment);
        let verify = |purpose, session| keys.verify(purpose, session, text.as_bytes());
        assert_eq!(verify(Purpose::Proof, SESSION), Some(moment));
        assert_eq!(verify(Purpose::Refresh, SESSION), None);
        assert_eq!(verify(Purpose::Registration, SESSION), None);
        assert_eq!(verify(Purpose::Proof, Uuid::from_u128(8)), None);
    }

    #[test]
    fn a_fallback_verifies_but_never_signs() {
        let (old, new) = (secret("old"), secret("new"));
        let moment = Timestamp::from_unix_micros(5);
        let before = MomentKeys::new(&old, &[]);
        let after = MomentKeys::new(&new, std::slice::from_ref(&old));
        let verify =
            |keys: &MomentKeys, text: String| keys.verify(Purpose::Proof, SESSION, text.as_bytes());
        let sign = |keys: &MomentKeys| keys.sign(Purpose::Proof, SESSION, moment);
        assert_eq!(verify(&after, sign(&before)), Some(moment));
        assert_eq!(verify(&before, sign(&after)), None);
        assert_eq!(verify(&MomentKeys::new(&new, &[]), sign(&before)), None);
    }

    proptest! {
        #[test]
        fn any_other_text_does_not_verify(text in prop::collection::vec(any::<u8>(), 0..40)) {
            let keys = MomentKeys::new(&secret("a"), &[secret("b")]);
            prop_assert_eq!(keys.verify(Purpose::Proof, SESSION, &text), None);
        }

        #[test]
        fn one_changed_character_spoils_it(micros in any::<i64>(), at in 0usize..TEXT_BYTES, to in any::<u8>()) {
            let keys = MomentKeys::new(&secret("a"), &[]);
            let moment = Timestamp::from_unix_micros(micros);
            let mut text = keys.sign(Purpose::Refresh, SESSION, moment).into_bytes();
            prop_assert_eq!(text.len(), TEXT_BYTES);
            prop_assert_eq!(keys.verify(Purpose::Refresh, SESSION, &text), Some(moment));
            prop_assume!(text[at] != to);
            text[at] = to;
            prop_assert_eq!(keys.verify(Purpose::Refresh, SESSION, &text), None);
        }
    }
}
