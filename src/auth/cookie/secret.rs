//! A text that no log and no error may show, and what makes one good enough to sign with.

use std::{collections::HashSet, fmt};

use rand::distr::{Alphanumeric, SampleString};

const MIN_CHARS: usize = 32;
/// 62 letters and digits to the 64th: 381 bits.
const GENERATED_CHARS: usize = 64;
/// Fewer different characters than any real key of 32 has.
const MIN_DISTINCT_CHARS: usize = 8;
/// Keys from tutorials, known to everybody.
const PUBLISHED_KEYS: [&str; 2] = ["blahblahblah", "super_secret_key"];

/// A secret text. `Debug` does not show it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one who signs with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes `text` as a signing key, or says what is wrong with it (never what it is).
    pub fn signing_key(text: &str) -> Result<Self, String> {
        if PUBLISHED_KEYS
            .iter()
            .any(|key| text.replace(key, "").is_empty())
        {
            return Err(
                "is a key from a published example, which anybody can sign with; \
                        `handstamp secret` prints a fresh one"
                    .to_owned(),
            );
        }
        let chars = text.chars().count();
        if chars < MIN_CHARS {
            return Err(format!(
                "must be at least {MIN_CHARS} characters (it has {chars}); \
                 `handstamp secret` prints a fresh one"
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the key is one that somebody typed to get past the length check.
    pub fn is_weak(&self) -> bool {
        self.0.chars().collect::<HashSet<_>>().len() < MIN_DISTINCT_CHARS
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A fresh random value for `SECRET_KEY`.
pub fn generate_secret_key() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), GENERATED_CHARS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn published_and_short_keys_are_refused_for_their_own_reason() {
        for key in [
            "blahblahblah",
            "super_secret_key",
            "blahblahblahblahblahblahblahblahblah",
        ] {
            let reason = Secret::signing_key(key).unwrap_err();
            assert!(reason.contains("published example"), "{reason}");
        }
        let reason = Secret::signing_key(&"k".repeat(31)).unwrap_err();
        assert!(reason.contains("it has 31"), "{reason}");
        assert!(Secret::signing_key(&"é".repeat(32)).unwrap().is_weak());
    }

    #[test]
    fn a_generated_key_is_good_and_new_each_time() {
        let key = generate_secret_key();
        assert!(!Secret::signing_key(&key).unwrap().is_weak());
        assert_ne!(key, generate_secret_key());
    }

    #[test]
    fn debug_does_not_show_it() {
        let key = generate_secret_key();
        assert!(!format!("{:?}", Secret::signing_key(&key)).contains(&key));
    }
}
