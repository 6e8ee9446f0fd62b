//! Permits: codes of one user are checked one after the other. They lock the same rows; requests that waited
//! for those in the database would hold a connection each, and time out behind others.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use uuid::Uuid;

use crate::{db, http::Error};

/// Requests of one user that are checked or wait, at most: people send one, perhaps from two browsers.
const MAX_REQUESTS: usize = 4;
/// How long one of them waits, which leaves time for its own queries. It waits for the queries of others, so
/// this counts as waiting for the database.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The permits of all users, one for each. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Permits(Arc<Mutex<HashMap<Uuid, Queue>>>);

/// The requests of one user, in the order in which they came.
#[derive(Default)]
struct Queue {
    requests: usize,
    permit: Arc<AsyncMutex<()>>,
}

/// Permission to check a code of a user; dropping it lets the next request in.
pub(super) struct Permit {
    _guard: OwnedMutexGuard<()>,
    _place: Place,
}

/// A place in the queue of a user.
struct Place {
    permits: Permits,
    user_id: Uuid,
}

impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permits").finish_non_exhaustive()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl Permits {
    /// Waits for the permit of a user.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] at once when as many requests of this user wait as may;
    /// [`Error::Busy`] when it takes too long.
    pub async fn acquire(&self, user_id: Uuid) -> Result<Permit, Error> {
        let (place, permit) = self.enter(user_id)?;
        let guard = db::wait(LONGEST_WAIT, permit.lock_owned()).await;
        let guard = guard.map_err(|_| Error::Busy {
            retry_after: RETRY_AFTER,
        })?;
        Ok(Permit {
            _guard: guard,
            _place: place,
        })
    }

    fn enter(&self, user_id: Uuid) -> Result<(Place, Arc<AsyncMutex<()>>), Error> {
        let mut queues = self.lock();
        let queue = queues.entry(user_id).or_default();
        if queue.requests >= MAX_REQUESTS {
            return Err(Error::TooManyAttempts {
                retry_after: RETRY_AFTER,
            });
        }
        queue.requests += 1;
        let place = Place {
            permits: self.clone(),
            user_id,
        };
        Ok((place, queue.permit.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.permits.lock();
        if let Some(queue) = queues.get_mut(&self.user_id) {
            queue.requests -= 1;
            if queue.requests == 0 {
                queues.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const ANN: Uuid = Uuid::from_u128(1);
    /// Its last byte is that of `ANN`.
    const BEN: Uuid = Uuid::from_u128(0x101);

    #[tokio::test]
    async fn users_wait_for_themselves_alone_and_few_requests_do() {
        let permits = Permits::default();
        let held = permits.acquire(ANN).await.unwrap();
        drop(permits.acquire(BEN).await.unwrap());
        let waiting = (1..MAX_REQUESTS).map(|_| {
            let permits = permits.clone();
            tokio::spawn(async move { permits.acquire(ANN).await.map(drop) })
        });
        let waiting: Vec<_> = waiting.collect();
        while permits.lock()[&ANN].requests < MAX_REQUESTS {
            tokio::task::yield_now().await;
        }
        let refused = permits.acquire(ANN).await;
        assert!(matches!(refused, Err(Error::TooManyAttempts { .. })));
        drop(permits.acquire(BEN).await.unwrap());
        drop(held);
        for waiting in waiting {
            waiting.await.unwrap().unwrap();
        }
        assert!(permits.lock().is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_long() {
        let permits = Permits::default();
        let held = permits.acquire(ANN).await.unwrap();
        let late = permits.acquire(ANN).await;
        assert!(matches!(late, Err(Error::Busy { .. })));
        drop(held);
        assert!(permits.acquire(ANN).await.is_ok());
        assert!(permits.lock().is_empty());
    }
}
