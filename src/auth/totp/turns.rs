//! Turns: codes of one user are checked one after the other. They lock the same rows; who waited for
//! those in the database would hold a connection, and time out behind others.

use std::{fmt, sync::Arc};

use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

/// Users who share one wait for each other, for as long as a code takes.
const QUEUES: usize = 64;

/// The queues of those who wait for their turn, in the order in which they came.
#[derive(Clone)]
pub(super) struct Turns(Arc<[Mutex<()>; QUEUES]>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::default())))
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turns").finish_non_exhaustive()
    }
}

impl Turns {
    /// Waits for the turn of a user, which lasts until what is returned is dropped.
    pub async fn of(&self, user_id: Uuid) -> MutexGuard<'_, ()> {
        // The last bits of an id are random.
        let [.., last] = *user_id.as_bytes();
        self.0[usize::from(last) % QUEUES].lock().await
    }
}
