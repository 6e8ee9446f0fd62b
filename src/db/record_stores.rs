//! The upstream session stores over our own `sessions` table.

use std::sync::Arc;

use tower_sessions::SessionStore;

use super::connect::{Db, Pools};

impl Db {
    /// The upstream store that reads session records.
    ///
    /// # Errors
    /// When it does not take the name of our table or schema.
    pub(crate) fn record_reader(&self) -> Result<Arc<dyn SessionStore>, String> {
        Ok(match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => Arc::new(sqlite.record_reader()?),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => Arc::new(postgres.record_reader()?),
        })
    }
}
