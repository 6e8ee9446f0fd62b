//! The secrets that codes are made from, and the check of a code.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use totp_rs::{Algorithm, Builder, Secret as TotpSecret, Totp};
use uuid::Uuid;

use super::permits::Permits;
use crate::{
    auth::cookie::{Secret, keys::derive_key},
    clock::Timestamp,
    http::Error,
    mail::Seal,
};

/// Separates this key from any other use of the same secret (RFC 5869, 3.2).
const KEY_PURPOSE: &[u8] = b"handstamp TOTP secrets, XChaCha20-Poly1305";
/// As RFC 4226, 4 recommends.
const SECRET_BYTES: usize = 20;
const DIGITS: u8 = 6;
const STEP_SECONDS: u64 = 30;
/// Steps of drift that are allowed either way (RFC 6238, 5.2).
const DRIFT: u16 = 1;

/// Makes secrets and checks codes. `Debug` shows no key.
#[derive(Clone)]
pub(crate) struct Codes {
    issuer: String,
    seal: Seal,
    pub(super) permits: Permits,
    /// Whether it was logged that a secret opens with no key.
    has_told: Arc<AtomicBool>,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// A secret that was made just now.
pub(crate) struct NewSecret {
    /// What is stored.
    pub sealed: Vec<u8>,
    /// For who types it into their app.
    pub base32: String,
    /// The `otpauth:` URI, for a QR code.
    pub uri: String,
}

impl Codes {
    /// Secrets that are sealed with a key derived from `secret`; those that older keys sealed are
    /// read, too. Apps show the `issuer` beside the code.
    ///
    /// # Errors
    /// What is wrong with the issuer.
    pub fn new(issuer: String, secret: &Secret, fallbacks: &[Secret]) -> Result<Self, String> {
        if issuer.is_empty() || issuer.contains(':') {
            return Err("the issuer of codes must be a name without a colon".to_owned());
        }
        let key = |secret| derive_key(secret, KEY_PURPOSE);
        let seal = Seal::new(key(secret), fallbacks.iter().map(key));
        Ok(Self {
            issuer,
            seal,
            permits: Permits::default(),
            has_told: Arc::default(),
        })
    }

    /// A random secret for the row `id`.
    pub fn new_secret(&self, id: Uuid, username: &str) -> Result<NewSecret, Error> {
        let secret: [u8; SECRET_BYTES] = rand::random();
        let totp = self.totp(secret.to_vec(), username)?;
        Ok(NewSecret {
            sealed: self.seal.seal(id, &secret),
            base32: totp.secret().to_base32(),
            uri: totp.to_url().map_err(|error| internal(&error))?,
        })
    }

    /// The step that `code` is of, if it is the right one at `now` or within the drift.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] when the secret was sealed with a key that is not here.
    pub fn step_of(
        &self,
        id: Uuid,
        sealed: &[u8],
        code: &str,
        now: Timestamp,
    ) -> Result<Option<i64>, Error> {
        let totp = self.totp(self.open(id, sealed)?, "")?;
        // As apps show it: in two groups.
        let code: String = code.chars().filter(|char| !char.is_whitespace()).collect();
        let (seconds, _) = now.unix();
        let step = totp.check(&code, seconds);
        Ok(step.and_then(|step| i64::try_from(step).ok()))
    }

    /// The secret of a row sealed again, if an older key has sealed it.
    pub fn resealed(&self, id: Uuid, sealed: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if !self.seal.is_outdated(id, sealed) {
            return Ok(None);
        }
        let secret = self.open(id, sealed)?;
        Ok(Some(self.seal.seal(id, &secret)))
    }

    fn open(&self, id: Uuid, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        self.seal.open(id, sealed).ok_or_else(|| {
            // Once: everybody who gives a code would have it logged again.
            if !self.has_told.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    secret = %id,
                    "a second factor cannot be used here: its secret was encrypted with a key that is \
                     neither SECRET_KEY nor in SECRET_KEY_FALLBACKS; add the key that other nodes, or \
                     this one before, had as SECRET_KEY"
                );
            }
            Error::KeyMissing
        })
    }

    fn totp(&self, secret: Vec<u8>, username: &str) -> Result<Totp, Error> {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_skew(DRIFT)
            .with_step_duration(STEP_SECONDS)
            .with_issuer(Some(self.issuer.as_str()))
            .with_account_name(username)
            .with_secret(TotpSecret::new(secret.into_boxed_slice()))
            .build()
            .map_err(|error| internal(&error))
    }
}

/// The error's text alone: the error itself may hold what was made from the secret.
fn internal(error: &totp_rs::TotpError) -> Error {
    let _ = error;
    Error::internal("the secret or the issuer of codes cannot be used")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::auth::generate_secret_key;

    fn secret() -> Secret {
        Secret::signing_key(&generate_secret_key()).unwrap()
    }

    #[test]
    fn the_codes_of_rfc_6238_count_for_their_step_and_one_either_way() {
        // Appendix B, the SHA-1 row of 1111111109 s, cut to six digits.
        let codes = Codes::new("app.example".to_owned(), &secret(), &[]).unwrap();
        let id = Uuid::from_u128(1);
        let sealed = codes.seal.seal(id, b"12345678901234567890");
        let made_at = Timestamp::from(datetime!(2005-03-18 01:58:29 UTC));
        let step = Some(1_111_111_109 / 30);
        let second = Duration::from_secs(1);
        let of = |code, now| codes.step_of(id, &sealed, code, now).unwrap();
        assert_eq!(of("081804", made_at), step);
        assert_eq!(of(" 081 804", made_at), step, "as apps show it");
        assert_eq!(of("081804", made_at.after(30 * second)), step);
        assert_eq!(of("081804", made_at.before(30 * second)), step);
        assert_eq!(of("081804", made_at.after(31 * second)), None);
        assert_eq!(of("081804", made_at.before(60 * second)), None);
        for wrong in ["081805", "81804", "", "08180४", "-81804", "0818040"] {
            assert_eq!(of(wrong, made_at), None, "{wrong}");
        }
    }

    #[test]
    fn a_rotated_key_opens_and_seals_again() {
        let (old, new) = (secret(), secret());
        let issuer = || "app.example".to_owned();
        let before = Codes::new(issuer(), &old, &[]).unwrap();
        let after = Codes::new(issuer(), &new, std::slice::from_ref(&old)).unwrap();
        let id = Uuid::from_u128(1);
        let made = before.new_secret(id, "Ann").unwrap();
        assert!(
            made.uri
                .starts_with("otpauth://totp/app.example:Ann?secret=")
        );
        assert!(made.uri.contains(&made.base32) && made.base32.len() == 32);
        assert_eq!(before.resealed(id, &made.sealed).unwrap(), None);
        let again = after.resealed(id, &made.sealed).unwrap().unwrap();
        assert_eq!(after.resealed(id, &again).unwrap(), None);
        assert!(before.open(id, &again).is_err());
        assert_eq!(
            after.open(id, &again).unwrap(),
            after.open(id, &made.sealed).unwrap()
        );
    }

    #[test]
    fn an_issuer_with_a_colon_is_refused() {
        assert!(Codes::new("a:b".to_owned(), &secret(), &[]).is_err());
        assert!(Codes::new(String::new(), &secret(), &[]).is_err());
    }
}
