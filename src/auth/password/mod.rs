//! Password hashing (argon2id), a bounded number at once, and what is too easily guessed.

mod hasher;
mod low_priority;

use std::{sync::Arc, time::Duration};

use argon2::{Algorithm, Params, password_hash::phc::PasswordHash};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use zxcvbn::{Score, zxcvbn};

use self::{hasher::Argon2Memory, low_priority::at_low_priority};
use crate::http::Error;

/// RFC 9106 and OWASP: 19 MiB, two passes, one lane; the crate's default today, spelled out
/// so that an update changes nothing unseen.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// ASVS 6.2.1 and 6.2.9.
const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;
/// Below it, zxcvbn counts on at most ten million guesses.
const MIN_SCORE: Score = Score::Three;

/// A log-in that would wait longer is told to come back.
const MAX_WAIT: Duration = Duration::from_secs(3);
const RETRY_AFTER: Duration = Duration::from_secs(3);

/// Hashes and checks passwords off the async threads.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// One more than there are permits, so that no core waits for the database between one
    /// attempt and the next.
    turns: Arc<Semaphore>,
    permits: Arc<Semaphore>,
    memory: Argon2Memory,
    params: Params,
    /// Stands in for the hash of an account that has none: the same work, never a match.
    decoy: Arc<str>,
}

/// The right to attempt something with a password, until it is done or has failed.
pub(crate) type Turn = OwnedSemaphorePermit;

/// The outcome of checking a password.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub matches: bool,
    /// A hash at today's cost, when the password matched one at a lower cost.
    pub rehashed: Option<String>,
    /// To be kept until it is written down what came of it: so no more outcomes are open at
    /// once than there are turns.
    pub turn: Turn,
}

impl Passwords {
    pub fn new(hashes_at_once: usize) -> Result<Self, argon2::Error> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
        let hashes_at_once = hashes_at_once.clamp(1, Semaphore::MAX_PERMITS - 1);
        Ok(Self {
            turns: Arc::new(Semaphore::new(hashes_at_once + 1)),
            permits: Arc::new(Semaphore::new(hashes_at_once)),
            memory: Argon2Memory::default(),
            params,
            decoy: decoy().into(),
        })
    }

    /// The hash to store for `password`; and the turn, for more.
    pub async fn hash(&self, turn: Turn, password: String) -> Result<(String, Turn), Error> {
        let (memory, params) = (self.memory.clone(), self.params.clone());
        let hashed = self.run(move || memory.hash(&password, &params)).await?;
        Ok((hashed.map_err(Error::internal)?, turn))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Error::Busy`] when it does not come soon.
    pub async fn turn(&self) -> Result<Turn, Error> {
        match timeout(MAX_WAIT, self.turns.clone().acquire_owned()).await {
            Ok(turn) => turn.map_err(Error::internal),
            Err(_) => Err(Error::Busy {
                retry_after: RETRY_AFTER,
            }),
        }
    }

    /// Whether `password` is the one behind `stored`; with nothing stored it never is, and
    /// finding out takes as long.
    pub async fn verify(
        &self,
        turn: Turn,
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, Error> {
        let (memory, params) = (self.memory.clone(), self.params.clone());
        let decoy = self.decoy.clone();
        let checked = self.run(move || {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(&decoy))?;
            let is_right = memory.verify(&password, &hash).unwrap_or(false);
            let matches = is_right && stored.is_some();
            let outdated = matches && is_outdated(&hash);
            let rehashed = if outdated {
                Some(memory.hash(&password, &params)?)
            } else {
                None
            };
            Ok::<_, argon2::password_hash::Error>((matches, rehashed))
        });
        let checked = checked.await?;
        let (matches, rehashed) = checked.map_err(Error::internal)?;
        Ok(Verdict {
            matches,
            rehashed,
            turn,
        })
    }

    /// Why `password` must not be taken, if so: too short, too long, or easily guessed by
    /// somebody who knows `inputs`, the user's name and address.
    pub async fn weakness(
        &self,
        password: &str,
        inputs: Vec<String>,
    ) -> Result<Option<String>, Error> {
        if !(MIN_CHARS..=MAX_CHARS).contains(&password.chars().count()) {
            return Ok(Some(format!(
                "must be {MIN_CHARS} to {MAX_CHARS} characters"
            )));
        }
        let password = password.to_owned();
        let _turn = self.turn().await?;
        self.run(move || guessable(&password, &inputs)).await
    }

    /// Runs `work`, no more of it at once than there are permits, and so that requests which
    /// need none come first. The permit goes along: a client that hangs up frees no core.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(Error::internal)?;
        at_low_priority(move || {
            let done = work();
            drop(permit);
            done
        })
        .await
    }
}

fn is_outdated(hash: &PasswordHash) -> bool {
    let Ok(params) = Params::try_from(hash) else {
        return true;
    };
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || params.m_cost() < MEMORY_KIB
        || params.t_cost() < PASSES
}

/// A hash in form: random salt, random output, today's cost.
fn decoy() -> String {
    let random = |chars| {
        use rand::distr::{Alphanumeric, SampleString};
        Alphanumeric.sample_string(&mut rand::rng(), chars)
    };
    // 43 base64 digits hold 32 bytes; `A` leaves the spare bits of the last one at zero.
    let (salt, output) = (random(16), random(42));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}A")
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn hash_of(passwords: &Passwords, password: &str) -> String {
        let turn = passwords.turn().await.unwrap();
        passwords.hash(turn, password.to_owned()).await.unwrap().0
    }

    async fn verify(passwords: &Passwords, password: &str, stored: Option<&str>) -> Verdict {
        let turn = passwords.turn().await.unwrap();
        let stored = stored.map(str::to_owned);
        passwords
            .verify(turn, password.to_owned(), stored)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let passwords = Passwords::new(1).unwrap();
        let hash = hash_of(&passwords, "plain tea at dawn ").await;
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let outcome = async |text: &str| {
            let verdict = verify(&passwords, text, Some(&hash)).await;
            (verdict.matches, verdict.rehashed.is_some())
        };
        assert_eq!(outcome("plain tea at dawn ").await, (true, false));
        assert_eq!(outcome("plain tea at dawn").await, (false, false));
    }

    #[tokio::test]
    async fn nothing_matches_an_account_without_a_password() {
        let passwords = Passwords::new(1).unwrap();
        assert!(!verify(&passwords, "", None).await.matches);
        let decoy = PasswordHash::new(&passwords.decoy).unwrap();
        assert!(!is_outdated(&decoy) && decoy.hash.unwrap().len() == 32);
    }

    #[tokio::test]
    async fn a_cheaper_hash_is_made_anew_when_its_password_comes() {
        let cheap = Params::new(8 * 1024, 1, 1, None).unwrap();
        let passwords = Passwords::new(1).unwrap();
        let old = passwords.memory.hash("plain tea at dawn", &cheap).unwrap();
        let verdict = verify(&passwords, "plain tea at dawn", Some(&old)).await;
        let rehashed = PasswordHash::new(&verdict.rehashed.unwrap()).unwrap();
        assert!(verdict.matches && !is_outdated(&rehashed));
        let verdict = verify(&passwords, "wrong", Some(&old)).await;
        assert!(!verdict.matches && verdict.rehashed.is_none());
    }

    #[tokio::test]
    async fn guessable_passwords_are_refused_with_the_reason() {
        let passwords = Passwords::new(1).unwrap();
        let inputs = vec!["Jackson".to_owned(), "ann@example.com".to_owned()];
        let weakness = async |text: &str| passwords.weakness(text, inputs.clone()).await.unwrap();
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
}
