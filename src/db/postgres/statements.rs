//! Single statements, also behind PgBouncer in transaction mode.
//!
//! sqlx prepares a statement under a name and then runs it. Outside a transaction, PgBouncer may
//! switch to another connection between these two steps, and that connection may already have
//! statements of other clients under the same names. PgBouncer 1.21 and newer handles prepared
//! statements itself. For older versions there is `statement-cache-capacity=0`: every statement
//! then runs in a transaction that begins with `deallocate all`.

use std::ops::Deref;

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream};
use sqlx::{
    ConnectOptions, Connection, Describe, Either, Execute, Executor, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::timeout;

use super::lent::Lent;
use crate::db::limits::{ACQUIRE_TIMEOUT, START_TIMEOUT, in_time};

const BEGIN: &str = "begin; deallocate all";
/// The connections of the upstream store.
const READERS: u32 = 4;

/// A pool to run single statements on.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pool: PgPool,
    /// Whether every statement runs in a transaction that begins with `deallocate all`.
    is_stateless: bool,
}

impl Deref for Statements {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

/// Connects, and tells whether the address has `statement-cache-capacity=0`.
pub(in crate::db) async fn is_stateless(server: &PgConnectOptions) -> sqlx::Result<bool> {
    let tried = async {
        let mut conn = server.connect().await?;
        let mut tx = conn.begin_with(BEGIN).await?;
        sqlx::query("select 1").execute(&mut *tx).await?;
        tx.commit().await?;
        let is_stateless = conn.cached_statements_size() == 0;
        conn.close().await?;
        Ok(is_stateless)
    };
    let tried = timeout(START_TIMEOUT, tried);
    tried.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// The SQL that begins a transaction, if not plain `begin`.
pub(in crate::db) fn begin_sql(is_stateless: bool) -> Option<&'static str> {
    is_stateless.then_some(BEGIN)
}

impl Statements {
    pub fn on(pool: PgPool, is_stateless: bool) -> Self {
        Self { pool, is_stateless }
    }

    /// The SQL that begins a transaction, if not plain `begin`.
    pub fn begin_sql(&self) -> Option<&'static str> {
        begin_sql(self.is_stateless)
    }

    /// Begins a transaction of the app, on a task of its own: sqlx would leave it open when a
    /// client disconnects meanwhile.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let (pool, sql) = (self.pool.clone(), self.begin_sql());
        let begun = tokio::spawn(async move {
            match sql {
                Some(sql) => pool.begin_with(sql).await,
                None => pool.begin().await,
            }
        });
        in_time(async { begun.await.map_err(|_| sqlx::Error::WorkerCrashed)? }).await
    }

    /// A connection for one statement.
    async fn lend(&self) -> sqlx::Result<Lent> {
        let mut lent = Lent::new(self.pool.acquire().await?);
        if self.is_stateless {
            lent.close_when_dropped();
            lent.connection()?.execute(BEGIN).await?;
        }
        Ok(lent)
    }

    /// Takes back a connection whose statement has succeeded.
    async fn take_back(&self, mut lent: Lent) -> sqlx::Result<()> {
        if self.is_stateless {
            lent.connection()?.execute("commit").await?;
            lent.keep_when_dropped();
        }
        Ok(())
    }

    /// A pool for the upstream store, which only reads.
    pub fn for_reading(&self) -> PgPool {
        let options = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false);
        let server = self.pool.connect_options().as_ref().clone();
        if !self.is_stateless {
            return options.connect_lazy_with(server);
        }
        options
            .after_connect(|conn, _| Box::pin(async { conn.execute(BEGIN).await.map(drop) }))
            .before_acquire(|conn, _| Box::pin(async { conn.execute(BEGIN).await.map(|_| true) }))
            .after_release(|conn, _| Box::pin(async { conn.execute("commit").await.map(|_| true) }))
            .connect_lazy_with(server)
    }
}

impl<'p> Executor<'p> for &'p Statements {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let done = in_time(async {
            let mut lent = self.lend().await?;
            let done: Vec<_> = lent.connection()?.fetch_many(query).try_collect().await?;
            self.take_back(lent).await?;
            Ok(stream::iter(done.into_iter().map(Ok)))
        });
        stream::once(done).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(in_time(async {
            let mut lent = self.lend().await?;
            let row = lent.connection()?.fetch_optional(query).await?;
            self.take_back(lent).await?;
            Ok(row)
        }))
    }

    fn prepare_with<'e, 'q: 'e>(
        self,
        sql: &'q str,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement<'q>>>
    where
        'p: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }

    fn describe<'e, 'q: 'e>(self, sql: &'q str) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        self.pool.describe(sql)
    }
}
