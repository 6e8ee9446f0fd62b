//! The upstream session stores over our own `sessions` table.

use std::sync::Arc;

use tower_sessions::SessionStore;
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

use super::{Db, Pools};

impl Db {
    /// The upstream store that reads session records.
    pub(crate) fn record_reader(&self) -> Result<Arc<dyn SessionStore>, String> {
        Ok(match self.pools() {
            Pools::Sqlite { read, .. } => {
                Arc::new(SqliteStore::new(read.clone()).with_table_name("sessions")?)
            }
            Pools::Postgres(pool) => Arc::new(
                PostgresStore::new(pool.clone())
                    .with_schema_name(self.schema())?
                    .with_table_name("sessions")?,
            ),
        })
    }
}
