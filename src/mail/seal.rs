//! Encrypts what must not be read in the database: mails that wait, secrets of second factors.

use std::fmt;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use uuid::Uuid;

/// Random nonces of this size never meet (draft-irtf-cfrg-xchacha, 2.1).
const NONCE_BYTES: usize = 24;

/// The keys that rows are encrypted with: XChaCha20-Poly1305. `Debug` does not show them.
#[derive(Clone)]
pub(crate) struct Seal {
    current: XChaCha20Poly1305,
    fallbacks: Vec<XChaCha20Poly1305>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

impl Seal {
    /// `current` encrypts; it and the `fallbacks` decrypt.
    pub fn new(current: [u8; 32], fallbacks: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let cipher = |key: [u8; 32]| XChaCha20Poly1305::new(&key.into());
        Self {
            current: cipher(current),
            fallbacks: fallbacks.into_iter().map(cipher).collect(),
        }
    }

    /// Encrypts the content of the row `id`; in another row it cannot be decrypted.
    pub fn seal(&self, id: Uuid, content: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload {
            msg: content,
            aad: id.as_bytes(),
        };
        // It fails above 256 GiB only; what is empty is not decrypted.
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload);
        [&nonce[..], &sealed.unwrap_or_default()].concat()
    }

    /// Whether the content of the row `id` was not sealed with the current key.
    #[cfg(feature = "totp")]
    pub fn is_outdated(&self, id: Uuid, sealed: &[u8]) -> bool {
        let current = Self {
            current: self.current.clone(),
            fallbacks: Vec::new(),
        };
        current.open(id, sealed).is_none()
    }

    /// The content of the row `id`; none when it was sealed with a key that is not here.
    pub fn open(&self, id: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let nonce = XNonce::from(*nonce);
        let open = |cipher: &XChaCha20Poly1305| {
            let payload = Payload {
                msg: sealed,
                aad: id.as_bytes(),
            };
            cipher.decrypt(&nonce, payload).ok()
        };
        let mut ciphers = std::iter::once(&self.current).chain(&self.fallbacks);
        ciphers.find_map(open)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROW: Uuid = Uuid::from_u128(1);

    #[test]
    fn a_rotated_key_opens_what_the_old_one_sealed() {
        let old = Seal::new([1; 32], []);
        let rotated = Seal::new([2; 32], [[1; 32]]);
        let sealed = old.seal(ROW, b"a letter");
        assert_eq!(
            rotated.open(ROW, &sealed).as_deref(),
            Some(&b"a letter"[..])
        );
        let sealed = rotated.seal(ROW, b"a letter");
        assert_eq!(old.open(ROW, &sealed), None);
        assert_eq!(
            rotated.open(Uuid::from_u128(2), &sealed),
            None,
            "another row"
        );
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_does_not_show(content in prop::collection::vec(any::<u8>(), 8..200)) {
            let seal = Seal::new([1; 32], []);
            let sealed = seal.seal(ROW, &content);
            let shows = sealed.windows(content.len()).any(|part| part == content);
            prop_assert!(!shows);
            prop_assert_eq!(seal.open(ROW, &sealed), Some(content));
        }

        #[test]
        fn a_changed_byte_spoils_it(at in 0usize..48, by in 1u8..) {
            let seal = Seal::new([1; 32], []);
            let mut sealed = seal.seal(ROW, b"a letter");
            sealed[at] ^= by;
            prop_assert_eq!(seal.open(ROW, &sealed), None);
        }

        #[test]
        fn anything_else_does_not_open(sealed in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Seal::new([1; 32], []).open(ROW, &sealed), None);
        }
    }
}
