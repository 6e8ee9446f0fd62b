//! The upstream store, with a limit for how long it may take.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::time::timeout;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::Result as StoreResult,
};
use tower_sessions_sqlx_store::PostgresStore;

use super::PostgresPool;
use crate::db::limits::{REQUEST_TIMEOUT, only_reads, took_too_long};

/// Reads session records. The connections of a pool that did not respond in time may never do so,
/// and the upstream store cannot close them: it gets a new pool then.
pub(in crate::db) struct Records {
    postgres: PostgresPool,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    number: u64,
    store: PostgresStore,
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl PostgresPool {
    /// The upstream store that reads session records.
    pub(in crate::db) fn record_reader(&self) -> Result<Records, String> {
        let current = Current {
            number: 0,
            store: self.store()?,
        };
        Ok(Records {
            postgres: self.clone(),
            current: Mutex::new(current),
        })
    }

    fn store(&self) -> Result<PostgresStore, String> {
        PostgresStore::new(self.pool.for_reading())
            .with_schema_name(&self.schema)?
            .with_table_name("sessions")
    }
}

impl Records {
    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the pool of this number, which did not respond.
    fn replace(&self, number: u64) {
        let mut current = self.lock();
        if current.number == number
            && let Ok(store) = self.postgres.store()
        {
            *current = Current {
                number: number + 1,
                store,
            };
        }
    }
}

#[async_trait]
impl SessionStore for Records {
    async fn save(&self, _record: &Record) -> StoreResult<()> {
        Err(only_reads())
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        let Current { number, store } = self.lock().clone();
        // Longer than the server lets a statement take: a connection that works responds.
        let loaded = timeout(REQUEST_TIMEOUT, store.load(id)).await;
        loaded.unwrap_or_else(|_| {
            self.replace(number);
            Err(took_too_long())
        })
    }

    async fn delete(&self, _id: &Id) -> StoreResult<()> {
        Err(only_reads())
    }
}
