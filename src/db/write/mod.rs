//! The only way to write.
//!
//! A closure runs in a transaction on another task. If its caller is dropped, as when a client
//! disconnects, the write still commits or rolls back as a whole. It may run more than once: before
//! each further run, the previous one was rolled back. On SQLite the closures in the queue are
//! committed together ([`sqlite`](super::sqlite)); on PostgreSQL each has its own transaction.
//!
//! A caller waits only so long. What has not come to its commit by then is rolled back; but a
//! commit that takes longer than the caller's last wait is reported as failed and may succeed.

pub(super) mod job;
#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::job::Times;
use super::{
    Pools, Tx,
    connect::Db,
    limits::{left, wait},
};

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

    async fn write_within<S, F, T, E>(&self, patience: Duration, state: S, work: F) -> Result<T, E>
    where
        S: Send + Sync + 'static,
        F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: std::error::Error + From<sqlx::Error> + Send + 'static,
    {
        let patience = left().map_or(patience, |left| left.min(patience));
        let mut times = Times::within(patience);
        if !self.writes_share_a_commit() {
            // PostgreSQL takes a second to find a deadlock, and the write is then run again.
            times.run = patience;
        }
        let (job, result) = job::new(times, state, work);
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => sqlite.queue_write(job, self.revocations()),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => postgres.spawn_write(job, self.revocations()),
        }
        let until_end = times.end.saturating_duration_since(Instant::now());
        match wait(until_end, result).await {
            Ok(Ok(result)) => result,
            // Dropped with the runtime that it would have run on.
            Ok(Err(_)) => Err(sqlx::Error::WorkerCrashed.into()),
            Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
        }
    }
}
