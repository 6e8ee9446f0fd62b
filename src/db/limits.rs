//! How long the database may take. A request gets `503` within two seconds, whether the database
//! refuses, does not respond, or its packets are lost.

use std::{cell::Cell, time::Duration};

use tokio::time::{self, Instant};
use tower_sessions::session_store;

/// How long a request waits for a free connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it waits for a connection and what it reads there, or for a write.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_millis(1600);
/// How long a command waits for a write: a busy server may hold SQLite's lock.
#[cfg(feature = "server")]
pub(crate) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take when the process starts.
#[cfg(feature = "postgres")]
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(3);

tokio::task_local! {
    /// How long the request that this task handles may still wait for the database.
    static LEFT: Cell<Duration>;
}

/// Runs the work of one request, which waits for no longer than [`REQUEST_TIMEOUT`] in all.
pub(crate) fn as_request<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    LEFT.scope(Cell::new(left().unwrap_or(REQUEST_TIMEOUT)), work)
}

/// How long the current request may still wait, if this is one.
pub(super) fn left() -> Option<Duration> {
    LEFT.try_with(Cell::get).ok()
}

/// What a request reads, or an error when that takes too long.
pub(crate) async fn in_time<T>(read: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    wait(left().unwrap_or(REQUEST_TIMEOUT), read)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// The error of an upstream store that took too long to read.
pub(super) fn took_too_long() -> session_store::Error {
    session_store::Error::Backend("took too long".into())
}

/// The error of a store whose rows are written elsewhere.
pub(super) fn only_reads() -> session_store::Error {
    session_store::Error::Backend("this store only reads".into())
}

/// Waits, and counts that as the request's.
pub(crate) async fn wait<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, time::error::Elapsed> {
    let start = Instant::now();
    let done = time::timeout(limit, work).await;
    // Outside a request nothing is counted.
    let _ = LEFT.try_with(|left| left.set(left.get().saturating_sub(start.elapsed())));
    done
}
