//! Opens the database and brings its tables up to date.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Connection, PgConnection, PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::timeout;

use super::{
    Revocations,
    migrations::{self, MigrateError},
    ping::LastProbe,
    sqlite_file::SqliteFile,
};
use crate::config::DatabaseUrl;

/// How long a request waits for a free connection before it is told that the database
/// does not answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection unused for so long may be dead.
const TESTED_AFTER: Duration = Duration::from_secs(1);
/// How long a SQLite statement waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_TRIES: u32 = 10;
const SQLITE_PAUSE: Duration = Duration::from_millis(100);
const SQLITE_READERS: u32 = 4;
const SQLITE_SMALL_QUERIES: u32 = 1;
/// Small, so that nobody waits long for the write lock.
const SQLITE_BATCH: usize = 200;
const POSTGRES_SMALL_QUERIES: usize = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

/// The database, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pools: Pools,
    /// Where PostgreSQL keeps our tables.
    schema: String,
    revocations: Revocations,
    last_probe: LastProbe,
}

#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite {
        read: SqlitePool,
        /// For small queries, so that none of them waits for a long one, and what they all
        /// read stays in the memory of one connection.
        read_small: SqlitePool,
        write: SqlitePool,
        /// How many connections for writing there have been.
        writers: Arc<AtomicU64>,
        file: SqliteFile,
    },
    Postgres(PgPool),
}

impl Db {
    /// Opens the database at `url`; a SQLite file that is not there yet is made.
    pub async fn connect(url: &DatabaseUrl) -> sqlx::Result<Self> {
        let pools = match url {
            DatabaseUrl::Sqlite(options) => {
                create_private(options.get_filename())?;
                let file = SqliteFile::at(options.get_filename())?;
                // One connection does every write and every checkpoint: SQLite before
                // 3.51.3 can lose data when two do so at the same instant.
                let options = sqlite_options(options.clone());
                let writers = Arc::new(AtomicU64::new(0));
                let write =
                    patiently(async || sqlite_writer(&options, &writers, &file).await).await?;
                let read_only = options.pragma("query_only", "on");
                let readers = async |connections| {
                    SqlitePoolOptions::new()
                        .max_connections(connections)
                        .acquire_timeout(ACQUIRE_TIMEOUT)
                        .test_before_acquire(false)
                        .connect_with(read_only.clone())
                        .await
                };
                Pools::Sqlite {
                    read: readers(SQLITE_READERS).await?,
                    read_small: readers(SQLITE_SMALL_QUERIES).await?,
                    write,
                    writers,
                    file,
                }
            }
            DatabaseUrl::Postgres(server) => Pools::Postgres({
                // The pool would try until its time is up, and not say why.
                let first = timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(server));
                first
                    .await
                    .map_err(|_| sqlx::Error::PoolTimedOut)??
                    .close()
                    .await?;
                PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
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
                    .await?
            }),
        };
        let schema = match &pools {
            Pools::Sqlite { .. } => String::new(),
            Pools::Postgres(pool) => {
                sqlx::query_scalar("select current_schema()::text")
                    .fetch_one(pool)
                    .await?
            }
        };
        Ok(Self {
            pools,
            schema,
            revocations: Revocations::default(),
            last_probe: LastProbe::default(),
        })
    }

    /// Applies the migrations that this database has not seen.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        match self.pools() {
            Pools::Sqlite { write, .. } => {
                patiently(async || migrations::PORTABLE.run(write).await).await
            }
            Pools::Postgres(pool) => migrations::postgres().await?.run(pool).await,
        }
    }

    /// Closes every connection, once it is idle.
    pub async fn close(&self) {
        match self.pools() {
            Pools::Sqlite {
                read,
                read_small,
                write,
                ..
            } => {
                read.close().await;
                read_small.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// How many rows a transaction of ours may well write that wants none of them in particular.
    /// On SQLite there is one lock, which is best used; on PostgreSQL a transaction that locks
    /// many rows can get into a deadlock with one that does the same in another order.
    pub(crate) fn batch_size(&self) -> usize {
        match self.pools() {
            Pools::Sqlite { .. } => SQLITE_BATCH,
            Pools::Postgres(_) => 1,
        }
    }

    /// How many small queries are best under way at a time when others can wait and share one:
    /// on SQLite each is two changes of thread, on PostgreSQL a round trip to wait for.
    pub(crate) fn small_queries_at_once(&self) -> usize {
        match self.pools() {
            Pools::Sqlite { .. } => SQLITE_SMALL_QUERIES as usize,
            Pools::Postgres(_) => POSTGRES_SMALL_QUERIES,
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What is no longer to be believed of rows in memory.
    pub(crate) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    pub(super) fn last_probe(&self) -> &LastProbe {
        &self.last_probe
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }
}

/// Tries again for a second. Another process may be making the same file: SQLite does not
/// wait for a change of the journal mode, nor does sqlx for a migration on it, and the one
/// that comes second finds the work done.
async fn patiently<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    for _ in 1..SQLITE_TRIES {
        if let Ok(done) = attempt().await {
            return Ok(done);
        }
        tokio::time::sleep(SQLITE_PAUSE).await;
    }
    attempt().await
}

/// Makes the file for its owner alone, as it will hold password hashes; the files that
/// SQLite puts beside it take its mode. One that is there is not opened: closing it again
/// would drop every lock that this process has on it.
fn create_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The one connection for writing. It is kept, so that its log stays the same file.
async fn sqlite_writer(
    options: &SqliteConnectOptions,
    writers: &Arc<AtomicU64>,
    file: &SqliteFile,
) -> sqlx::Result<SqlitePool> {
    let (writers, file) = (writers.clone(), file.clone());
    SqlitePoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            writers.fetch_add(1, Ordering::SeqCst);
            let file = file.clone();
            Box::pin(async move {
                // The first read opens the log.
                sqlx::query("pragma schema_version").execute(conn).await?;
                file.note_open();
                Ok(())
            })
        })
        // SQLite itself rolls back when the disk is full or broken. sqlx 0.8 fails to do so
        // once more and counts the transaction as open for good: no other could begin.
        .before_acquire(|conn, _| {
            let is_usable = !conn.is_in_transaction();
            Box::pin(async move { Ok(is_usable) })
        })
        .connect_with(options.clone())
        .await
}

fn sqlite_options(file: SqliteConnectOptions) -> SqliteConnectOptions {
    file.journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}
