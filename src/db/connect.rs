//! Opens the database and brings its tables up to date.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt, path::Path, time::Duration};

use sqlx::{
    PgPool, SqlitePool,
    migrate::Migrator,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::config::DatabaseUrl;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A migration that could not be applied.
pub type MigrateError = sqlx::migrate::MigrateError;

/// How long a request waits for a free connection before it is told that the database
/// does not answer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a SQLite statement waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

/// The database, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db(Pools);

#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite { read: SqlitePool, write: SqlitePool },
    Postgres(PgPool),
}

impl Db {
    /// Opens the database at `url`; a SQLite file that is not there yet is made.
    pub async fn connect(url: &DatabaseUrl) -> sqlx::Result<Self> {
        let pools = match url {
            DatabaseUrl::Sqlite(file) => {
                create_private(file.get_filename())?;
                // One connection does every write and every checkpoint: SQLite before
                // 3.51.3 can lose data when two do so at the same instant.
                let file = sqlite_options(file.clone());
                let write = SqlitePoolOptions::new()
                    .max_connections(1)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect_with(file.clone())
                    .await?;
                let read = SqlitePoolOptions::new()
                    .max_connections(SQLITE_READERS)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect_with(file.pragma("query_only", "on"))
                    .await?;
                Pools::Sqlite { read, write }
            }
            DatabaseUrl::Postgres(server) => Pools::Postgres(
                PgPoolOptions::new()
                    .max_connections(POSTGRES_CONNECTIONS)
                    .acquire_timeout(ACQUIRE_TIMEOUT)
                    .connect_with(server.clone())
                    .await?,
            ),
        };
        Ok(Self(pools))
    }

    /// Applies the migrations that this database has not seen.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        match self.pools() {
            Pools::Sqlite { write, .. } => MIGRATIONS.run(write).await,
            Pools::Postgres(pool) => MIGRATIONS.run(pool).await,
        }
    }

    /// Asks the database whether it is there.
    pub async fn ping(&self) -> sqlx::Result<()> {
        super::on_reader!(self, conn => sqlx::query("select 1").execute(conn).await.map(drop))
    }

    /// Closes every connection, once it is idle.
    pub async fn close(&self) {
        match self.pools() {
            Pools::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.0
    }
}

/// Makes the file for its owner alone, as it will hold password hashes; the files that
/// SQLite puts beside it take its mode.
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

fn sqlite_options(file: SqliteConnectOptions) -> SqliteConnectOptions {
    file.journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}
