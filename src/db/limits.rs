//! How long the database may take. A request gets `503` within two seconds, whether the database
//! refuses, does not respond, or its packets are lost.

use std::time::Duration;

use tokio::time::timeout;
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

/// What a request reads, or an error when that takes too long.
pub(crate) async fn in_time<T>(read: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(REQUEST_TIMEOUT, read)
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
