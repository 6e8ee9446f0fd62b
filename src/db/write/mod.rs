//! The one door for writes.
//!
//! A closure is handed over and runs in a transaction on a task that does not end with its caller:
//! whoever waits for the result may go away at any moment, and the write is done or not, never in
//! part. It may run more than once, as everything it did was rolled back before. On SQLite the
//! closures that wait are committed together ([`sqlite`](super::sqlite)); on PostgreSQL each has a
//! transaction of its own.

pub(super) mod job;
#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Pools, Tx, connect::Db};

/// How long the work of one closure may take.
const TIME_LIMIT: Duration = Duration::from_secs(5);

impl Db {
    /// Runs `work` on `state` in a transaction, commits it, and returns what `work` returned; an
    /// error rolls back. All that `work` awaits is its own SQL: on SQLite others wait for it.
    pub(crate) async fn write<S, F, T, E>(&self, state: S, work: F) -> Result<T, E>
    where
        S: Send + Sync + 'static,
        F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::error::Error + From<sqlx::Error> + Send + 'static,
    {
        self.write_within(TIME_LIMIT, state, work).await
    }

    async fn write_within<S, F, T, E>(&self, limit: Duration, state: S, work: F) -> Result<T, E>
    where
        S: Send + Sync + 'static,
        F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::error::Error + From<sqlx::Error> + Send + 'static,
    {
        let (job, result) = job::new(limit, state, work);
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => sqlite.queue_write(job, self.revocations()),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => postgres.spawn_write(job, self.revocations()),
        }
        // Dropped with the runtime that it would have run on.
        let is_gone = |_| Err(sqlx::Error::WorkerCrashed.into());
        result.await.unwrap_or_else(is_gone)
    }
}
