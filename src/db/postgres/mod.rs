//! PostgreSQL: one pool for everything.

mod timestamp;
mod watch;
mod writer;

use std::time::Duration;

use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::{invalidation::Revocations, limits::ACQUIRE_TIMEOUT};

/// A connection that was unused for longer is tested before it is used.
const TESTED_AFTER: Duration = Duration::from_secs(1);
pub(super) const SMALL_QUERIES: usize = 4;
const CONNECTIONS: u32 = 16;

/// The connections to one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pub pool: PgPool,
    /// Where our tables are.
    pub schema: String,
    /// Whether the pool is the app's, which closes it.
    is_borrowed: bool,
}

impl PostgresPool {
    /// Connects to a server.
    pub async fn connect(server: &PgConnectOptions) -> sqlx::Result<Self> {
        // The pool would try until its time is up, and not say why.
        let first = timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(server));
        let first = first.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        first.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A round trip each time, where most connections were in use a moment ago.
            .test_before_acquire(false)
            .before_acquire(|conn, meta| {
                Box::pin(async move {
                    if meta.idle_for > TESTED_AFTER {
                        conn.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(server.clone())
            .await?;
        Self::on(pool, false).await
    }

    /// Uses the app's pool.
    pub async fn borrowing(pool: PgPool) -> sqlx::Result<Self> {
        Self::on(pool, true).await
    }

    async fn on(pool: PgPool, is_borrowed: bool) -> sqlx::Result<Self> {
        let schema = sqlx::query_scalar("select current_schema()::text");
        Ok(Self {
            schema: schema.fetch_one(&pool).await?,
            pool,
            is_borrowed,
        })
    }

    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin().await });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// Revokes what other nodes change, until the pool is closed.
    pub async fn watch(&self, revocations: &Revocations) {
        watch::watch(&self.pool, revocations).await;
    }

    /// Closes every connection of ours, once it is idle.
    pub async fn close(&self) {
        if !self.is_borrowed {
            self.pool.close().await;
        }
    }
}
