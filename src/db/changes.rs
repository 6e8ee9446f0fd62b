//! What other processes change, for those who keep rows in memory.

use std::time::Instant;

use uuid::Uuid;

use super::{Db, Pools, postgres_changes, sqlite_changes};

/// Somebody who keeps sessions and users in memory.
pub(crate) trait Changes: Send + Sync {
    /// The session or user of this id is no longer what it was.
    fn changed(&self, id: Uuid);
    /// Nothing may be what it was.
    fn all_changed(&self);
    /// Whatever others had committed by then has been told.
    fn told_until(&self, moment: Instant);
    /// For now nothing will be told.
    fn deaf(&self);
}

impl Db {
    /// Tells what other processes do to sessions and users, until the database is closed.
    pub(crate) async fn watch(&self, keeper: &impl Changes) {
        match self.pools() {
            Pools::Sqlite { write, writers, .. } => {
                sqlite_changes::watch(write, writers, keeper).await;
            }
            Pools::Postgres(pool) => postgres_changes::watch(pool, keeper).await,
        }
    }
}
