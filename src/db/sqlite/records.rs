//! The upstream store, with a limit for how long it may take.

use std::fmt;

use async_trait::async_trait;
use tokio::time::timeout;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::Result as StoreResult,
};
use tower_sessions_sqlx_store::SqliteStore;

use super::SqlitePools;
use crate::db::limits::{REQUEST_TIMEOUT, only_reads, took_too_long};

/// Reads session records.
pub(in crate::db) struct Records(SqliteStore);

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}

impl SqlitePools {
    /// The upstream store that reads session records.
    pub(in crate::db) fn record_reader(&self) -> Result<Records, String> {
        let store = SqliteStore::new(self.read.clone());
        Ok(Records(store.with_table_name("sessions")?))
    }
}

#[async_trait]
impl SessionStore for Records {
    async fn save(&self, _record: &Record) -> StoreResult<()> {
        Err(only_reads())
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        timeout(REQUEST_TIMEOUT, self.0.load(id))
            .await
            .unwrap_or_else(|_| Err(took_too_long()))
    }

    async fn delete(&self, _id: &Id) -> StoreResult<()> {
        Err(only_reads())
    }
}
