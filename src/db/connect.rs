//! Opens the database.

use std::time::Duration;

#[cfg(feature = "postgres")]
use sqlx::PgPool;
#[cfg(feature = "sqlite")]
use sqlx::SqlitePool;

#[cfg(feature = "postgres")]
use super::postgres::{self, PostgresPool};
#[cfg(feature = "sqlite")]
use super::sqlite::{self, SqlitePools};
use super::{
    invalidation::Revocations,
    limits::REQUEST_TIMEOUT,
    transaction::{Inner, Tx},
    url::DatabaseUrl,
};

/// The database, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pools: Pools,
    revocations: Revocations,
    patience: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum Pools {
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePools),
    #[cfg(feature = "postgres")]
    Postgres(PostgresPool),
}

impl Db {
    /// Opens the database at `url`; a missing SQLite file is created.
    ///
    /// # Errors
    /// When the database does not exist or cannot be opened.
    pub async fn connect(url: &DatabaseUrl) -> sqlx::Result<Self> {
        Ok(Self::new(match url {
            #[cfg(feature = "sqlite")]
            DatabaseUrl::Sqlite(file) => Pools::Sqlite(SqlitePools::connect(file).await?),
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(server) => Pools::Postgres(PostgresPool::connect(server).await?),
        }))
    }

    /// Opens the database at `url` to look at it: nothing can be written, and a SQLite file stays
    /// in the journal mode that it has, as it may be another program's.
    ///
    /// # Errors
    /// When the database does not exist or cannot be opened.
    #[cfg(feature = "server")]
    pub(crate) async fn read_only(url: &DatabaseUrl) -> sqlx::Result<Self> {
        Ok(Self::new(match url {
            DatabaseUrl::Sqlite(file) => Pools::Sqlite(SqlitePools::read_only(file).await?),
            DatabaseUrl::Postgres(server) => Pools::Postgres(PostgresPool::connect(server).await?),
        }))
    }

    /// Uses the SQLite file of your own pool, through connections of its own with the options of
    /// the pool: one that writes and five that read. The file is switched to write-ahead logging.
    ///
    /// Your pool may read and write as it likes. What it writes is noticed within 0.2 seconds,
    /// after which cached sessions are read again; so an app that writes often is better
    /// off writing through [`sqlite_pool`](Self::sqlite_pool) or [`begin`](Self::begin), and with
    /// SQLite before 3.51.3 it must: two connections that write and checkpoint at the same
    /// instant can lose data.
    ///
    /// # Errors
    /// When the database is in memory, which belongs to one connection, or cannot be opened.
    #[cfg(feature = "sqlite")]
    pub async fn from_sqlite(pool: &SqlitePool) -> sqlx::Result<Self> {
        let pools = SqlitePools::beside(pool).await?;
        Ok(Self::new(Pools::Sqlite(pools)))
    }

    /// Uses your own pool, with its limits and timeouts, and one connection beside it, with the
    /// pool's options, on which the revocations of other nodes are read. The tables are created in
    /// the first schema of the pool's `search_path`.
    ///
    /// The library closes the connection of a query that takes longer than a request may. For the
    /// server to end the query as well, which may be waiting for a lock, set
    /// `client_connection_check_interval` (PostgreSQL 14) in the options of your pool.
    ///
    /// Behind PgBouncer in transaction mode, connect the pool with `statement_cache_capacity(0)`
    /// and `extra_float_digits(None)`.
    ///
    /// # Errors
    /// When the database is not available.
    #[cfg(feature = "postgres")]
    pub async fn from_postgres(pool: &PgPool) -> sqlx::Result<Self> {
        let pool = PostgresPool::borrowing(pool.clone()).await?;
        Ok(Self::new(Pools::Postgres(pool)))
    }

    fn new(pools: Pools) -> Self {
        Self {
            pools,
            revocations: Revocations::default(),
            patience: REQUEST_TIMEOUT,
        }
    }

    /// With another limit for how long a write may take.
    #[cfg(feature = "server")]
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// How long a write may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// The pool of the one connection that writes, when this is SQLite. Return the connection
    /// before you call the library, which would otherwise wait a second for it and give up.
    #[cfg(feature = "sqlite")]
    pub fn sqlite_pool(&self) -> Option<&SqlitePool> {
        match self.pools() {
            Pools::Sqlite(sqlite) => Some(&sqlite.write),
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => None,
        }
    }

    /// The pool, when this is PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres_pool(&self) -> Option<&PgPool> {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(_) => None,
            Pools::Postgres(postgres) => Some(&postgres.pool),
        }
    }

    /// Closes every connection, once it is idle; a pool of your own stays open.
    pub async fn close(&self) {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => sqlite.close().await,
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Applies revocations by other processes, until the database is closed.
    pub(crate) async fn watch(&self) {
        self.revocations().begin_to_watch();
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => sqlite.watch(self.revocations()).await,
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => postgres.watch(self.revocations()).await,
        }
    }

    /// How many rows a background transaction should write. SQLite has a single write lock, so
    /// batches are cheapest; on PostgreSQL a transaction that locks many rows can deadlock with
    /// one that locks them in another order.
    pub(crate) fn batch_size(&self) -> usize {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(_) => sqlite::BATCH,
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => 1,
        }
    }

    /// Whether writes that wait are committed together.
    pub(super) fn writes_share_a_commit(&self) -> bool {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(_) => true,
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => false,
        }
    }

    /// How many small queries should run at once where further requests can wait and share the
    /// next one: each costs two thread switches on SQLite, and a round trip on PostgreSQL.
    pub(crate) fn small_queries_at_once(&self) -> usize {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(_) => sqlite::SMALL_QUERIES as usize,
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => postgres::SMALL_QUERIES,
        }
    }

    /// How many connections are in use, and how many there may be.
    pub(crate) fn pool_use(&self) -> (usize, usize) {
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => {
                let pools = [&sqlite.read, &sqlite.read_small, &sqlite.write].map(pool_use);
                let sum = |(in_use, size), pool: (usize, usize)| (in_use + pool.0, size + pool.1);
                pools.into_iter().fold((0, 0), sum)
            }
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => pool_use(&postgres.pool),
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// When each session and user was last revoked.
    pub(crate) fn revocations(&self) -> &Revocations {
        &self.revocations
    }
}

fn pool_use<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> (usize, usize) {
    let open = pool.size() as usize;
    let most = pool.options().get_max_connections() as usize;
    (open.saturating_sub(pool.num_idle()), most)
}

impl Db {
    /// Begins a transaction that will write.
    ///
    /// On SQLite, this process does not notice when your own SQL in it ends a session or changes a
    /// user, and may use what it has cached for half an hour: use
    /// [`Accounts`](crate::auth::Accounts) for that.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads first and
    /// writes later fails with `SQLITE_BUSY_SNAPSHOT`, whatever the busy timeout. It begins
    /// on a task of its own: sqlx 0.8 leaves the transaction open for good when a client
    /// disconnects while it waits for this, and what others then write on the connection is
    /// never committed.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        Ok(Tx::new(match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => Inner::Sqlite(sqlite.begin().await?, sqlite.file.clone()),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => Inner::Postgres(postgres.begin().await?),
        }))
    }
}
