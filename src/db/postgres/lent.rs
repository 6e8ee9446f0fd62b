//! A connection that is sure to leave the pool when it does not respond.

use std::time::Duration;

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, time::timeout};

/// How long a connection may take to show that it still works.
const RETURN_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection of the pool. sqlx tests it when it comes back, and would wait for the response
/// for as long as TCP does, a quarter of an hour, while it takes up a place in the pool.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    is_kept: bool,
}

impl Lent {
    pub fn new(connection: PoolConnection<Postgres>) -> Self {
        Self {
            connection: Some(connection),
            is_kept: true,
        }
    }

    pub fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.connection
            .as_deref_mut()
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// Takes the connection out; dropping `self` then does nothing.
    pub fn take(&mut self) -> sqlx::Result<PoolConnection<Postgres>> {
        self.connection.take().ok_or(sqlx::Error::PoolClosed)
    }

    /// Closes the connection when this is dropped, as it may be inside a transaction.
    pub fn close_when_dropped(&mut self) {
        self.is_kept = false;
    }

    /// Takes that back.
    pub fn keep_when_dropped(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if self.is_kept => {
                // Dropped at the limit, it closes the connection.
                runtime.spawn(timeout(RETURN_TIMEOUT, connection.return_to_pool()));
            }
            _ => drop(connection.detach()),
        }
    }
}
