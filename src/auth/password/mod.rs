//! Password hashing (argon2id), a bounded number at a time.

mod debug_build;
mod fair_queue;
mod hasher;
mod low_priority;
mod strength;

pub(crate) use debug_build::warn_if_unoptimised;
pub(crate) use fair_queue::{Origin, Permit};
pub(crate) use strength::MIN_PASSWORD_LENGTHS;

use std::sync::Arc;

use argon2::{
    Algorithm, Params,
    password_hash::{self, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use self::{
    fair_queue::{FairQueue, busy},
    hasher::Argon2Memory,
    low_priority::at_low_priority,
    strength::Strength,
};
use crate::http::Error;

/// RFC 9106 and OWASP: 19 MiB, two passes, one lane; the crate's default today, spelled out so
/// that an update does not change it unnoticed.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The queue's length for one address. Long, since waiting does no harm: a client that is refused
/// at once retries at once.
const MAX_WAITING: usize = 1_000;
/// Estimating is fast compared with hashing, except for passwords made to be slow.
const HASHES_PER_ESTIMATE: usize = 4;

/// Hashes and verifies passwords off the async threads.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// Permits, one more than hashes at a time, so that no core waits for the database between
    /// one attempt and the next.
    queue: FairQueue,
    permits: Arc<Semaphore>,
    memory: Argon2Memory,
    strength: Strength,
    params: Params,
    /// Stands in for the hash of an account that has none: the same work, never a match.
    decoy: Arc<str>,
}

/// The outcome of verifying a password.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub matches: bool,
    /// A hash at today's cost, when the password matched one at a lower cost.
    pub rehashed: Option<String>,
    /// Kept until the outcome is recorded, so that no more outcomes are pending than there are
    /// permits.
    pub permit: Permit,
}

impl Passwords {
    pub fn new(hashes_at_once: usize) -> Result<Self, argon2::Error> {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
        let memory = Argon2Memory::default();
        let wanted = hashes_at_once.clamp(1, Semaphore::MAX_PERMITS - 1);
        let hashes_at_once = memory.set_aside(wanted, &params);
        if hashes_at_once < wanted {
            tracing::warn!(
                hashes_at_once,
                "too little memory for PASSWORD_HASHES_AT_ONCE"
            );
        }
        let estimates_at_once = hashes_at_once.div_ceil(HASHES_PER_ESTIMATE);
        Ok(Self {
            queue: FairQueue::new(hashes_at_once + 1, MAX_WAITING),
            permits: Arc::new(Semaphore::new(hashes_at_once)),
            memory,
            strength: Strength::new(estimates_at_once, MAX_WAITING),
            params,
            decoy: decoy().into(),
        })
    }

    /// The hash to store for `password`; returns the permit, too.
    pub async fn hash(&self, permit: Permit, password: String) -> Result<(String, Permit), Error> {
        let (memory, params) = (self.memory.clone(), self.params.clone());
        let hashed = self.run(move || memory.hash(&password, &params)).await?;
        Ok((hashed.map_err(failed)?, permit))
    }

    /// Refuses passwords of fewer characters.
    pub fn set_min_chars(&mut self, chars: usize) {
        self.strength.set_min_chars(chars);
    }

    /// The estimate of password strength.
    pub fn strength(&self) -> &Strength {
        &self.strength
    }

    /// Waits for a permit, in the queue of `origin`.
    ///
    /// # Errors
    /// [`Error::Busy`] when it does not come soon.
    pub async fn permit(&self, origin: Origin) -> Result<Permit, Error> {
        self.queue.acquire(origin).await
    }

    /// How many requests wait for a permit.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Verifies `password` against `stored`; without a stored hash it never matches, and takes as
    /// long.
    ///
    /// # Errors
    /// [`Error::Busy`] when there is no memory for it, which reveals nothing of the password.
    pub async fn verify(
        &self,
        permit: Permit,
        password: String,
        stored: Option<String>,
    ) -> Result<Verdict, Error> {
        let (memory, params) = (self.memory.clone(), self.params.clone());
        let decoy = self.decoy.clone();
        let checked = self.run(move || {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(&decoy))?;
            let is_right = match memory.verify(&password, &hash) {
                Err(password_hash::Error::OutOfMemory) => {
                    return Err(password_hash::Error::OutOfMemory);
                }
                outcome => outcome.unwrap_or(false),
            };
            let matches = is_right && stored.is_some();
            let outdated = matches && is_outdated(&hash);
            let rehashed = if outdated {
                Some(memory.hash(&password, &params)?)
            } else {
                None
            };
            Ok::<_, password_hash::Error>((matches, rehashed))
        });
        let checked = checked.await?;
        let (matches, rehashed) = checked.map_err(failed)?;
        Ok(Verdict {
            matches,
            rehashed,
            permit,
        })
    }

    /// Runs `work` at a low priority, after requests that need no hash. The permit moves into it:
    /// a client that disconnects frees no core.
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

/// Too little memory for a hash fails this request alone, not the process.
fn failed(error: password_hash::Error) -> Error {
    match error {
        password_hash::Error::OutOfMemory => {
            tracing::warn!("no memory for a password hash");
            busy()
        }
        other => Error::internal(other),
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

/// A well-formed hash with random salt, random output and today's cost.
fn decoy() -> String {
    let random = |chars| {
        use rand::distr::{Alphanumeric, SampleString};
        Alphanumeric.sample_string(&mut rand::rng(), chars)
    };
    // 43 base64 digits hold 32 bytes; `A` leaves the spare bits of the last one at zero.
    let (salt, output) = (random(16), random(42));
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}A")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn hash_of(passwords: &Passwords, password: &str) -> String {
        let permit = passwords.permit(None).await.unwrap();
        passwords.hash(permit, password.to_owned()).await.unwrap().0
    }

    async fn verify(passwords: &Passwords, password: &str, stored: Option<&str>) -> Verdict {
        let permit = passwords.permit(None).await.unwrap();
        let stored = stored.map(str::to_owned);
        passwords
            .verify(permit, password.to_owned(), stored)
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
}
