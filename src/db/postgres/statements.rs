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

use crate::db::limits::ACQUIRE_TIMEOUT;

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
    let tried = timeout(ACQUIRE_TIMEOUT, tried);
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

    /// Begins a transaction, on a task of its own: sqlx would leave it open when a client
    /// disconnects meanwhile.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let (pool, sql) = (self.pool.clone(), self.begin_sql());
        let begun = tokio::spawn(async move {
            match sql {
                Some(sql) => pool.begin_with(sql).await,
                None => pool.begin().await,
            }
        });
        begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }

    /// A pool for the upstream store, which only reads.
    pub fn for_reading(&self) -> PgPool {
        if !self.is_stateless {
            return self.pool.clone();
        }
        PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|conn, _| Box::pin(async { conn.execute(BEGIN).await.map(drop) }))
            .before_acquire(|conn, _| Box::pin(async { conn.execute(BEGIN).await.map(|_| true) }))
            .after_release(|conn, _| Box::pin(async { conn.execute("commit").await.map(|_| true) }))
            .connect_lazy_with(self.pool.connect_options().as_ref().clone())
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
        if !self.is_stateless {
            return self.pool.fetch_many(query);
        }
        let done = async {
            let mut tx = self.begin().await?;
            let done: Vec<_> = tx.fetch_many(query).try_collect().await?;
            tx.commit().await?;
            Ok::<_, sqlx::Error>(stream::iter(done.into_iter().map(Ok)))
        };
        stream::once(done).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if !self.is_stateless {
            return self.pool.fetch_optional(query);
        }
        Box::pin(async {
            let mut tx = self.begin().await?;
            let row = tx.fetch_optional(query).await?;
            tx.commit().await?;
            Ok(row)
        })
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
