//! What other processes change.

use super::{postgres, sqlite};
use crate::db::{Db, Pools};

impl Db {
    /// Revokes what other processes do to sessions and users, until the database is closed.
    pub(crate) async fn watch(&self) {
        match self.pools() {
            Pools::Sqlite {
                write,
                writers,
                file,
                ..
            } => sqlite::watch(write, writers, file, self.revocations()).await,
            Pools::Postgres(pool) => postgres::watch(pool, self.revocations()).await,
        }
    }
}
