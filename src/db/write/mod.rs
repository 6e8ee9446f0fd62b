//! The only way to write.
//!
//! A closure runs in a transaction on another task, and has as long as the caller waits. If its caller is dropped, as when a client
//! disconnects, the write still commits or rolls back as a whole. It may run more than once: before
//! each further run, the previous one was rolled back. On SQLite the closures in the queue are
//! committed together ([`sqlite`](super::sqlite)); on PostgreSQL each has its own transaction.

pub(super) mod job;
#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};

use super::{Pools, Tx, connect::Db};

/// How much longer a caller waits than the work may take, so that it hears of an error. It does not
/// wait for a commit that takes longer, which may still succeed.
const LAST_WAIT: Duration = Duration::from_millis(150);

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
        self.write_within(self.patience(), state, work).await
    }

    async fn write_within<S, F, T, E>(&self, limit: Duration, state: S, work: F) -> Result<T, E>
    where
        S: Send + Sync + 'static,
        F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::error::Error + From<sqlx::Error> + Send + 'static,
    {
        let deadline = Instant::now() + limit;
        let (job, result) = job::new(deadline, state, work);
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => sqlite.queue_write(job, deadline, self.revocations()),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => postgres.spawn_write(job, deadline, self.revocations()),
        }
        match timeout_at(deadline + LAST_WAIT, result).await {
            Ok(Ok(result)) => result,
            // Dropped with the runtime that it would have run on.
            Ok(Err(_)) => Err(sqlx::Error::WorkerCrashed.into()),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }
}
