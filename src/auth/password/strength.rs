//! Password strength.

use std::ops::RangeInclusive;

use tokio::time::timeout;
use zxcvbn::{Score, zxcvbn};

use super::{
    fair_queue::{FairQueue, MAX_WAIT, Origin, busy},
    low_priority::at_low_priority,
};
use crate::http::Error;

/// The range of `PASSWORD_MIN_LENGTH`: ASVS 6.2.1 asks for 8 characters and recommends 15,
/// as does NIST SP 800-63B-4 where a password is the only factor.
pub(crate) const MIN_PASSWORD_LENGTHS: RangeInclusive<usize> = 8..=64;
/// ASVS 6.2.9.
const MAX_CHARS: usize = 256;
/// zxcvbn takes time quadratic in the number of characters that stand for others (`4@8(`): a
/// second for a hundred. This many are enough to make a password hard to guess.
const ESTIMATED_CHARS: usize = 64;
/// Below it, zxcvbn counts on at most ten million guesses.
const MIN_SCORE: Score = Score::Three;

/// Estimates the strength of passwords on threads of its own, so that one that takes long to
/// estimate keeps nobody from logging in.
#[derive(Clone, Debug)]
pub(crate) struct Strength {
    queue: FairQueue,
    min_chars: usize,
}

impl Strength {
    /// Estimates `at_once` passwords at a time, with at most `max_waiting` waiters of each address.
    pub fn new(at_once: usize, max_waiting: usize) -> Self {
        Self {
            queue: FairQueue::new(at_once, max_waiting),
            min_chars: *MIN_PASSWORD_LENGTHS.start(),
        }
    }

    /// Refuses passwords of fewer characters.
    pub fn set_min_chars(&mut self, chars: usize) {
        self.min_chars = chars;
    }

    /// Whether the length of `password` is allowed; a cheap check.
    pub fn has_good_length(&self, password: &str) -> bool {
        (self.min_chars..=MAX_CHARS).contains(&password.chars().count())
    }

    /// Why `password` is refused, if it is: too short, too long, or easily guessed by somebody who
    /// knows `inputs`, the user's name and address.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is no permit soon.
    pub async fn weakness(
        &self,
        password: &str,
        inputs: Vec<String>,
        origin: Origin,
    ) -> Result<Option<String>, Error> {
        if !self.has_good_length(password) {
            let min_chars = self.min_chars;
            return Ok(Some(format!(
                "must be {min_chars} to {MAX_CHARS} characters"
            )));
        }
        let beginning = estimated(password).to_owned();
        let permit = self.queue.acquire(origin).await?;
        let estimate = at_low_priority(move || {
            let weakness = guessable(&beginning, &inputs);
            // Kept until then: a client that disconnects frees no core.
            drop(permit);
            weakness
        });
        timeout(MAX_WAIT, estimate).await.map_err(|_| busy())?
    }
}

/// The part of `password` that is estimated.
fn estimated(password: &str) -> &str {
    let end = password.char_indices().nth(ESTIMATED_CHARS);
    end.map_or(password, |(end, _)| &password[..end])
}

fn guessable(password: &str, inputs: &[String]) -> Option<String> {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &inputs);
    if estimate.score() >= MIN_SCORE {
        return None;
    }
    let feedback = estimate.feedback();
    let warning = feedback
        .and_then(|feedback| feedback.warning())
        .map(|text| text.to_string());
    let advice = feedback.and_then(|feedback| feedback.suggestions().first().copied());
    let reasons = warning
        .into_iter()
        .chain(advice.map(|text| text.to_string()));
    Some(
        format!(
            "is easily guessed. {}",
            reasons.collect::<Vec<_>>().join(" ")
        )
        .trim()
        .to_owned(),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn guessable_passwords_are_refused_with_the_reason() {
        let strength = Strength::new(1, 10);
        let inputs = vec!["Jackson".to_owned(), "ann@example.com".to_owned()];
        let weakness = async |text: &str| {
            let told = strength.weakness(text, inputs.clone(), None).await;
            told.unwrap()
        };
        for text in [
            "password1234",
            "jackson99",
            "ann@example.com",
            "aaaaaaaaaaaa",
            "qwertyuiop",
        ] {
            let reason = weakness(text).await.unwrap();
            assert!(reason.starts_with("is easily guessed"), "{text}: {reason}");
        }
        for text in ["short", &"x".repeat(257)] {
            assert_eq!(weakness(text).await.unwrap(), "must be 8 to 256 characters");
        }
        for text in [
            "plain tea at dawn",
            "correct horse battery staple",
            "zwölf Boxkämpfer jagen",
        ] {
            assert_eq!(weakness(text).await, None, "{text}");
        }
    }

    #[test]
    fn the_first_characters_of_a_password_are_estimated() {
        assert_eq!(estimated(&"é".repeat(256)), "é".repeat(64));
        assert_eq!(estimated("plain tea at dawn"), "plain tea at dawn");
    }
}
