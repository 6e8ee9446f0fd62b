//! What other processes change.

use super::{Db, Pools, postgres_changes, sqlite_changes};

impl Db {
    /// Revokes what other processes do to sessions and users, until the database is closed.
    pub(crate) async fn watch(&self) {
        match self.pools() {
            Pools::Sqlite {
                write,
                writers,
                file,
                ..
            } => sqlite_changes::watch(write, writers, file, self.revocations()).await,
            Pools::Postgres(pool) => postgres_changes::watch(pool, self.revocations()).await,
        }
    }
}
