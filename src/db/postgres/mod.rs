//! PostgreSQL: one pool for everything.

mod lent;
mod log;
mod records;
mod statements;
mod timestamp;
mod watch;
mod writer;

use std::time::Duration;

use sqlx::{
    Connection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::statements::Statements;
#[cfg(feature = "server")]
pub(super) use self::statements::{begin_sql, server_kind};
use super::{invalidation::Revocations, limits::ACQUIRE_TIMEOUT};

/// A connection that was unused for longer is tested before it is used.
const TESTED_AFTER: Duration = Duration::from_secs(1);
pub(super) const SMALL_QUERIES: usize = 4;
/// On two cores neither fewer nor more (4 to 32) made look-ups or logouts faster.
const CONNECTIONS: u32 = 16;

/// The connections to one database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pub pool: Statements,
    /// Where our tables are.
    pub schema: String,
    /// Whether the pool is the app's, which closes it.
    is_borrowed: bool,
}

impl PostgresPool {
    /// Connects to a server.
    pub async fn connect(server: &PgConnectOptions) -> sqlx::Result<Self> {
        // PgBouncer refuses what it does not know. It is for floats as text: there are none.
        let server = server.clone().extra_float_digits(None);
        // The pool would try until its time is up, and not say why.
        let kind = statements::server_kind(&server).await?;
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
            .connect_with(kind.limited(server))
            .await?;
        Self::on(Statements::on(pool, kind), false).await
    }

    /// Uses the app's pool.
    pub async fn borrowing(pool: PgPool) -> sqlx::Result<Self> {
        let kind = statements::server_kind(&pool.connect_options()).await?;
        Self::on(Statements::borrowing(pool, kind), true).await
    }

    async fn on(pool: Statements, is_borrowed: bool) -> sqlx::Result<Self> {
        let schema = sqlx::query_scalar("select current_schema()::text");
        Ok(Self {
            schema: schema.fetch_one(&pool).await?,
            pool,
            is_borrowed,
        })
    }

    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        self.pool.begin().await
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
