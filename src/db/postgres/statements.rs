//! Single statements, also behind PgBouncer in transaction mode.
//!
//! sqlx prepares a statement under a name and then runs it. Outside a transaction, PgBouncer may
//! switch to another connection between these two steps, and that connection may already have
//! statements of other clients under the same names. PgBouncer 1.21 and newer handles prepared
//! statements itself. For older versions there is `statement-cache-capacity=0`: every statement
//! then runs in a transaction that begins with `deallocate all`.

use std::{borrow::Cow, ops::Deref, time::Duration};

use futures_util::{
    StreamExt, TryFutureExt, TryStreamExt, future::BoxFuture, stream, stream::BoxStream,
};
use sqlx::{
    ConnectOptions, Connection, Describe, Either, Execute, Executor, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::timeout;

use super::lent::Lent;
use crate::db::limits::{ACQUIRE_TIMEOUT, START_TIMEOUT, in_time};

const BEGIN: &str = "begin; deallocate all";
/// For single statements, which take no longer than a request.
const BEGIN_STATEMENT: &str = "begin; set local statement_timeout = 1500; deallocate all";
/// The server ends a statement whose connection was closed, within this many milliseconds; else
/// one that waits for a lock would go on and take up a place on the server.
const ENDS_ABANDONED: [(&str, &str); 1] = [("client_connection_check_interval", "200")];
/// As for [`BEGIN_STATEMENT`], where the connection is not closed.
const STATEMENT_TIMEOUT: [(&str, &str); 1] = [("statement_timeout", "1500")];
/// How long a connection may take to show that it works before a transaction begins on it.
const PING_TIMEOUT: Duration = Duration::from_millis(500);
/// The connections of the upstream store.
const READERS: u32 = 4;

/// A pool to run single statements on.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    pool: PgPool,
    kind: ServerKind,
    /// Whether the server ends the statements of connections of this pool that were closed.
    ends_abandoned: bool,
}

/// What the server at an address is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerKind {
    /// Whether every statement runs in a transaction that begins with `deallocate all`, as the
    /// address has `statement-cache-capacity=0`.
    pub is_stateless: bool,
    /// Whether a connection may begin with parameters. PgBouncer refuses them, and PostgreSQL
    /// before version 14 those that we set.
    takes_parameters: bool,
}

impl ServerKind {
    /// The same server, which ends the statements of closed connections if it can.
    pub fn limited(self, server: PgConnectOptions) -> PgConnectOptions {
        match self.takes_parameters {
            true => server.options(ENDS_ABANDONED),
            false => server,
        }
    }
}

impl Deref for Statements {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

/// Connects, and tells what there is.
pub(crate) async fn server_kind(server: &PgConnectOptions) -> sqlx::Result<ServerKind> {
    let tried = async {
        let limited = server.clone().options(ENDS_ABANDONED);
        let (mut conn, takes_parameters) = match limited.connect().await {
            Ok(conn) => (conn, true),
            // It is for the second try to say what else is wrong.
            Err(sqlx::Error::Database(_) | sqlx::Error::Protocol(_)) => {
                (server.connect().await?, false)
            }
            Err(error) => return Err(error),
        };
        let mut tx = conn.begin_with(BEGIN).await?;
        sqlx::query("select 1").execute(&mut *tx).await?;
        tx.commit().await?;
        let is_stateless = conn.cached_statements_size() == 0;
        conn.close().await?;
        Ok(ServerKind {
            is_stateless,
            takes_parameters,
        })
    };
    let tried = timeout(START_TIMEOUT, tried);
    tried.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// The SQL that begins a transaction, if not plain `begin`.
pub(in crate::db) fn begin_sql(is_stateless: bool) -> Option<&'static str> {
    is_stateless.then_some(BEGIN)
}

impl Statements {
    /// A pool of our own, whose connections were opened as [`ServerKind::limited`] says.
    pub fn on(pool: PgPool, kind: ServerKind) -> Self {
        Self {
            pool,
            kind,
            ends_abandoned: kind.takes_parameters,
        }
    }

    /// A pool of the app.
    pub fn borrowing(pool: PgPool, kind: ServerKind) -> Self {
        Self {
            pool,
            kind,
            ends_abandoned: false,
        }
    }

    /// Where the pool connects to, for further connections.
    pub fn server(&self) -> PgConnectOptions {
        let server = self.pool.connect_options().as_ref().clone();
        match self.ends_abandoned {
            true => server,
            false => self.kind.limited(server),
        }
    }

    /// The SQL that begins a transaction of statements that take no longer than this, if not plain
    /// `begin`.
    pub fn begin_limited_sql(&self, limit: Duration) -> Option<Cow<'static, str>> {
        // A PgBouncer may take our parameters and ignore them.
        if self.ends_abandoned && !self.kind.is_stateless {
            return None;
        }
        let limit = limit.as_millis();
        let deallocate = match self.kind.is_stateless {
            true => "; deallocate all",
            false => "",
        };
        let sql = format!("begin; set local statement_timeout = {limit}{deallocate}");
        Some(Cow::Owned(sql))
    }

    /// Begins a transaction of the app, on a task of its own: sqlx would leave it open when a
    /// client disconnects meanwhile. A connection that does not respond leaves the pool first.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let pool = self.pool.clone();
        let sql = begin_sql(self.kind.is_stateless).map(Cow::Borrowed);
        let begun = tokio::spawn(async move {
            let mut lent = Lent::new(pool.acquire().await?);
            lent.close_when_dropped();
            let ping = timeout(PING_TIMEOUT, lent.connection()?.ping());
            ping.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
            Transaction::begin(lent.take()?, sql).await
        });
        in_time(async { begun.await.map_err(|_| sqlx::Error::WorkerCrashed)? }).await
    }

    /// A connection for one statement.
    async fn lend(&self) -> sqlx::Result<Lent> {
        let mut lent = Lent::new(self.pool.acquire().await?);
        if self.kind.is_stateless {
            lent.close_when_dropped();
            lent.connection()?.execute(BEGIN_STATEMENT).await?;
        }
        Ok(lent)
    }

    /// Takes back a connection whose statement has succeeded.
    async fn take_back(&self, mut lent: Lent) -> sqlx::Result<()> {
        if self.kind.is_stateless {
            lent.connection()?.execute("commit").await?;
            lent.keep_when_dropped();
        }
        Ok(())
    }

    /// A pool for the upstream store, which only reads. It cannot close a connection whose
    /// statement takes too long: the server ends the statement.
    pub fn for_reading(&self) -> PgPool {
        let options = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false);
        let server = match self.kind.takes_parameters {
            true => self.server().options(STATEMENT_TIMEOUT),
            false => self.server(),
        };
        if !self.kind.is_stateless {
            return options.connect_lazy_with(server);
        }
        options
            .after_connect(|conn, _| Box::pin(conn.execute(BEGIN_STATEMENT).map_ok(drop)))
            .before_acquire(|conn, _| Box::pin(conn.execute(BEGIN_STATEMENT).map_ok(|_| true)))
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
