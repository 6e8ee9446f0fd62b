//! SQLite: one connection that writes, and some that read.

mod deadlines;
pub(super) mod file;
#[cfg(feature = "server")]
mod place;
mod probe;
mod records;
#[cfg(feature = "server")]
mod replace;
mod timestamp;
mod watch;
mod writer;

pub(super) use probe::write_nothing;
#[cfg(feature = "server")]
pub(crate) use {
    place::{BESIDE, beside, create, is_same_file, log_beside, put},
    replace::{is_in_use, refuse_open, replace},
};

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
    Connection, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use self::{file::SqliteFile, probe::LastProbe, writer::WriteQueue};
use super::{
    invalidation::Revocations,
    limits::{ACQUIRE_TIMEOUT, in_time},
};

/// How long a statement waits while another process writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
const READERS: u32 = 4;
pub(super) const SMALL_QUERIES: u32 = 1;
/// Small, so that no request waits long for the write lock.
pub(super) const BATCH: usize = 200;

/// The connections to one file. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SqlitePools {
    pub read: SqlitePool,
    /// For small queries, so that none of them waits for a long one, and the pages that they
    /// share stay in the cache of one connection.
    pub read_small: SqlitePool,
    /// Of one connection, which does every write and every checkpoint: SQLite before 3.51.3 can
    /// lose data when two do so at the same instant.
    pub write: SqlitePool,
    /// How many connections for writing there have been.
    writers: Arc<AtomicU64>,
    pub file: SqliteFile,
    last_probe: LastProbe,
    queue: WriteQueue,
}

impl SqlitePools {
    /// Opens a file, which is created if it is missing.
    pub async fn connect(file: &SqliteConnectOptions) -> sqlx::Result<Self> {
        create_private(file.get_filename())?;
        Self::open(file.clone()).await
    }

    /// Opens connections of our own to the file of the app's `pool`.
    pub async fn beside(pool: &SqlitePool) -> sqlx::Result<Self> {
        let file: String =
            sqlx::query_scalar("select file from pragma_database_list where name = 'main'")
                .fetch_one(pool)
                .await?;
        if file.is_empty() {
            let what = "a SQLite database in memory belongs to one connection: open a file";
            return Err(sqlx::Error::Configuration(what.into()));
        }
        // The file as SQLite found it: the working directory may have changed since.
        let options = pool.connect_options().as_ref().clone().filename(file);
        Self::open(options).await
    }

    async fn open(file: SqliteConnectOptions) -> sqlx::Result<Self> {
        let name = SqliteFile::at(file.get_filename())?;
        let options = file
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writers = Arc::new(AtomicU64::new(0));
        let write = with_retries(async || writer(&options, &writers, &name).await).await?;
        let read_only = options.pragma("query_only", "on");
        let readers = async |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .connect_with(read_only.clone())
                .await
        };
        Ok(Self {
            read: readers(READERS).await?,
            read_small: readers(SMALL_QUERIES).await?,
            write,
            writers,
            file: name,
            last_probe: LastProbe::default(),
            queue: WriteQueue::default(),
        })
    }

    /// Opens an existing file without write access. Each write fails.
    #[cfg(feature = "server")]
    pub async fn read_only(file: &SqliteConnectOptions) -> sqlx::Result<Self> {
        let name = SqliteFile::at(file.get_filename())?;
        let options = file
            .clone()
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self {
            read: pool.clone(),
            read_small: pool.clone(),
            write: pool,
            writers: Arc::default(),
            file: name,
            last_probe: LastProbe::default(),
            queue: WriteQueue::default(),
        })
    }

    /// Takes the write lock at once.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        let write = self.write.clone();
        let begun = tokio::spawn(async move { write.begin_with("begin immediate").await });
        // One that begins later is dropped there, and so rolled back.
        let begun = in_time(async { begun.await.map_err(|_| sqlx::Error::WorkerCrashed)? }).await;
        self.file.checked(begun)
    }

    /// Revokes what other connections change, until the database is closed.
    pub async fn watch(&self, revocations: &Revocations) {
        watch::watch(&self.write, &self.writers, &self.file, revocations).await;
    }

    /// Closes every connection, once it is idle.
    pub async fn close(&self) {
        self.read.close().await;
        self.read_small.close().await;
        self.write.close().await;
    }
}

/// Retries for a second. Another process may be creating the same file: SQLite does not wait for a
/// change of the journal mode, nor sqlx for a migration; the second process finds the work done.
async fn with_retries<T, E>(attempt: impl AsyncFn() -> Result<T, E>) -> Result<T, E> {
    for _ in 1..TRIES {
        if let Ok(done) = attempt().await {
            return Ok(done);
        }
        tokio::time::sleep(PAUSE).await;
    }
    attempt().await
}

/// Creates the file for its owner alone, as it will hold password hashes; the files that SQLite
/// puts beside it take its mode. An existing file is not opened: closing it again would drop every
/// lock that this process has on it.
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
async fn writer(
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
