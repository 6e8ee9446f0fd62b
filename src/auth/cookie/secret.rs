//! Secrets that no log and no error shows, and what makes one good enough to sign with.

use std::{collections::HashSet, fmt};

use rand::distr::{Alphanumeric, SampleString};
use thiserror::Error;
use zxcvbn::zxcvbn;

const MIN_CHARS: usize = 32;
/// 62 letters and digits to the 64th: 381 bits.
const GENERATED_CHARS: usize = 64;
/// Guesses as a power of ten: zxcvbn counts 26 and more for 32 random hexadecimal digits, and less
/// than 20 for words, sequences and repeats alone.
const MIN_GUESSES_LOG10: f64 = 20.0;
/// zxcvbn counts no further than 2 to the 64th, which is 19 characters, and takes longer for each.
const CHARS_PER_COUNT: usize = 12;
/// In this many characters, with [`MANY_CHANGES`], there is no room for few guesses.
const LONG: usize = 64;
/// Half of what random letters and digits have; one random hexadecimal key in twenty has fewer.
const MANY_CHANGES: usize = 20;
/// No more is counted: it would only make good keys better.
const COUNTED_CHARS: usize = 128;
/// Placeholders, in lower-case letters and digits.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "changethis",
    "example",
    "insecure",
    "placeholder",
    "replaceme",
    "replacethis",
    "secretkey",
    "yoursecret",
];
/// Keys from tutorials, known to everybody.
const PUBLISHED_KEYS: [&str; 2] = ["blahblahblah", "super_secret_key"];

/// A secret. `Debug` does not show it; it has no `Display`, and no `==`, which would not be
/// constant-time.
#[derive(Clone)]
pub struct Secret(String);

/// Why a text is no signing key. `Debug` is for people, too: it is what an app prints whose
/// `main` returns it.
#[derive(Clone, Copy, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// It is in a tutorial.
    #[error(
        "is a key from a published example, which anybody can sign with; \
         `handstamp secret` prints a fresh one"
    )]
    Published,
    /// It has too few characters.
    #[error(
        "must be at least {MIN_CHARS} characters (it has {chars}); \
         `handstamp secret` prints a fresh one"
    )]
    TooShort {
        /// How many it has.
        chars: usize,
    },
}

impl fmt::Debug for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the secret key {self}")
    }
}

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Checks a signing key; the error says what is wrong without repeating it.
    ///
    /// # Errors
    /// When it is too short, or known to everybody.
    pub fn signing_key(text: &str) -> Result<Self, SecretError> {
        if PUBLISHED_KEYS
            .iter()
            .any(|key| text.replace(key, "").is_empty())
        {
            return Err(SecretError::Published);
        }
        let chars = text.chars().count();
        if chars < MIN_CHARS {
            return Err(SecretError::TooShort { chars });
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether the key is easily guessed: a placeholder, or made of words, sequences and repeats.
    pub fn is_weak(&self) -> bool {
        let letters = self.0.chars().filter(|char| char.is_alphanumeric());
        let letters: String = letters.flat_map(char::to_lowercase).collect();
        PLACEHOLDERS.iter().any(|word| letters.contains(word))
            || !is_mixed(&self.0) && guesses_log10(&self.0) < MIN_GUESSES_LOG10
    }
}

/// Whether a long key has small letters, capitals and digits follow each other in so many ways
/// that it would be counted as hard to guess, too. Most keys of 32 random bytes have, and are spared
/// zxcvbn's dictionaries, which stay in memory (5 MiB) once they were used.
fn is_mixed(key: &str) -> bool {
    let changes = |chars: &[char]| {
        let pairs = chars.windows(2).filter(|pair| {
            let classes = (class(pair[0]), class(pair[1]));
            matches!(classes, (Some(one), Some(other)) if one != other)
        });
        pairs.collect::<HashSet<_>>().len()
    };
    readings(key)
        .iter()
        .all(|chars| chars.len() >= LONG && changes(chars) >= MANY_CHANGES)
}

/// Small letters, capitals and digits; other characters are between words rather than of a class.
fn class(char: char) -> Option<u8> {
    match char {
        'a'..='z' => Some(0),
        'A'..='Z' => Some(1),
        '0'..='9' => Some(2),
        _ => None,
    }
}

/// How many guesses it takes to find `key`, as a power of ten.
fn guesses_log10(key: &str) -> f64 {
    let count = |chars: &Vec<char>| -> f64 {
        let parts = chars.chunks(CHARS_PER_COUNT);
        let parts = parts.map(|part| zxcvbn(&part.iter().collect::<String>(), &[]));
        parts.map(|part| part.guesses_log10()).sum()
    };
    let [as_is, in_turn] = readings(key);
    count(&as_is).min(count(&in_turn))
}

/// The key, and the same with two keys in turn (`a1b2c3`) one after the other. Of a repeated key
/// one period counts.
fn readings(key: &str) -> [Vec<char>; 2] {
    let mut chars: Vec<char> = key.chars().take(COUNTED_CHARS).collect();
    let period = (1..chars.len()).find(|period| chars.starts_with(&chars[*period..]));
    chars.truncate(period.unwrap_or(chars.len()));
    let (even, odd) = (chars.iter().step_by(2), chars.iter().skip(1).step_by(2));
    let in_turn = even.chain(odd).copied().collect();
    [chars, in_turn]
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
    use proptest::prelude::*;

    use super::*;

    fn is_weak(key: &str) -> bool {
        Secret::signing_key(key).unwrap().is_weak()
    }

    #[test]
    fn guessable_keys_are_weak() {
        for key in [
            "change-me-please-change-me-please",
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
            "12345678901234567890123456789012",
            "00112233445566778899aabbccddeeff",
            "AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH",
            "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "qwertyuiopasdfghjklzxcvbnm1234567890",
            "00000000-0000-0000-0000-000000000000",
            "deadbeefdeadbeefdeadbeefdeadbeef",
            "keyboard cat keyboard cat keyboard cat",
            "your-256-bit-secret-your-256-bit-secret",
            "Please-Change-This-to-a-random-string-of-32",
            "secret-key-must-be-at-least-32-chars",
            "django-insecure-change-me-in-production",
        ] {
            assert!(is_weak(key), "{key}");
        }
        assert!(!is_weak("a key of the tests, long enough and no other's"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn random_keys_are_not_weak(
            hex in "[0-9a-f]{32}|[0-9a-f]{64}|[0-9A-F]{32}",
            base64 in "[A-Za-z0-9+/]{43}=|[A-Za-z0-9_-]{43}",
            letters in "[a-z]{32}|[A-Z2-7]{32}|[a-zA-Z0-9]{64}",
            uuids in any::<[u128; 2]>(),
        ) {
            let uuids = uuids.map(uuid::Uuid::from_u128).map(|uuid| uuid.to_string());
            for key in [hex, base64, letters, uuids.join(""), uuids.join("-")] {
                prop_assert!(!is_weak(&key), "{}", key);
            }
        }
    }

    #[test]
    fn keys_of_words_as_they_are_typed_are_not_mixed() {
        for key in [
            "sEcReTS3cr3tP4ssw0rd1q2w3e4rL3tM31n",
            "1qaz2wsx3edcPassw0rdPassw0rdPassw0rdPassw0rd1QAZ2WSX3EDC",
            "11qa22wb33ec41ra52tb63yc11qq22ww33ee44rr55tt66yy",
            "qx19wx29ex39rx49tx59yx69qK1ewy2Kee3yrK4ety5Kye6yqq11ww22ee33rr44tt55yy66",
            "S3cr3tK3yS3cr3tK3yS3cr3tK3yS3cr3tK3yS3cr3tK3yS3cr3tK3yS3cr3tK3yS3cr3tK3y",
            "aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV",
        ] {
            assert!(!is_mixed(key), "{key}");
        }
    }

    #[test]
    fn random_keys_are_mixed() {
        // One in some hundred thousand is not.
        let keys: Vec<_> = (0..20).map(|_| generate_secret_key()).collect();
        assert!(keys.iter().filter(|key| is_mixed(key)).count() >= 18);
        for key in keys {
            assert!(guesses_log10(&key) > MIN_GUESSES_LOG10, "{key}");
        }
        let hexadecimal = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        assert!(is_mixed(hexadecimal));
    }

    #[test]
    fn published_and_short_keys_are_refused_for_their_own_reason() {
        for key in [
            "blahblahblah",
            "super_secret_key",
            "blahblahblahblahblahblahblahblahblah",
        ] {
            let reason = Secret::signing_key(key).unwrap_err().to_string();
            assert!(reason.contains("published example"), "{reason}");
        }
        let reason = Secret::signing_key(&"k".repeat(31))
            .unwrap_err()
            .to_string();
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
