//! What an [`Auth`](super::Auth) counts, for an app's metrics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::http::Error;

/// Counts since an [`Auth`](super::Auth) was built, and its state at this moment.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Logins through `POST /login` and `POST /login/passkey`.
    pub logins: Logins,
    /// Requests whose session was in the cache.
    pub session_cache_hits: u64,
    /// Requests whose session had to be read from the database.
    pub session_cache_misses: u64,
    /// Requests that wait for a password to be hashed.
    pub password_hash_queue: usize,
    /// Connections to the database in use.
    pub db_pool_in_use: usize,
    /// Connections to the database, at most.
    pub db_pool_size: usize,
    /// How long ago the changes of other processes were last read in full; past 0.8 seconds
    /// nothing cached is used. Zero while nobody reads them: before the first session is looked
    /// up, and with the cache off before one is followed.
    pub revocation_lag: Duration,
    /// Rows that were removed because they had expired.
    pub purged_rows: u64,
    /// Open streams of `GET /session/events`.
    pub event_streams: usize,
    /// Sessions that browsers have bound to their device.
    pub device_registrations: u64,
    /// Proofs of a device that browsers have renewed.
    pub device_refreshes: u64,
    /// Requests that were refused, as they did not prove the device of their session.
    pub device_proofs_refused: u64,
}

/// Logins through `POST /login`, its second step and `POST /login/passkey`, by their outcome; a right password that a code
/// has to follow is none yet.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Logins {
    /// Somebody was logged in.
    pub success: u64,
    /// Unknown user, wrong password or code, or disabled account.
    pub bad_credentials: u64,
    /// Refused by a rate limit.
    pub throttled: u64,
    /// Refused because too many passwords waited to be hashed.
    pub busy: u64,
    /// Failed because the database was not available.
    pub unavailable: u64,
}

/// A count that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub fn add(&self, number: u64) {
        // It orders nothing else.
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many sessions were found in the cache, on a cache line of their own: every request writes
/// to it, and what lies beside it would have to be fetched again by other cores.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CacheCounts {
    pub hits: Count,
    pub misses: Count,
}

/// How logins ended.
#[derive(Debug, Default)]
pub(crate) struct LoginCounts {
    success: Count,
    bad_credentials: Count,
    throttled: Count,
    busy: Count,
    unavailable: Count,
}

impl LoginCounts {
    /// Counts a login by its outcome; a bug has none.
    pub fn note<T>(&self, outcome: &Result<T, Error>) {
        let count = match outcome {
            Ok(_) => &self.success,
            Err(Error::BadCredentials | Error::BadCode) => &self.bad_credentials,
            Err(Error::TooManyAttempts { .. } | Error::CodesLockedOut) => &self.throttled,
            Err(Error::Busy { .. }) => &self.busy,
            Err(Error::Unavailable(_) | Error::KeyMissing) => &self.unavailable,
            Err(_) => return,
        };
        count.add(1);
    }

    pub fn read(&self) -> Logins {
        Logins {
            success: self.success.get(),
            bad_credentials: self.bad_credentials.get(),
            throttled: self.throttled.get(),
            busy: self.busy.get(),
            unavailable: self.unavailable.get(),
        }
    }
}
