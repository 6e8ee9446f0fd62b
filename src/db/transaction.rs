//! One SQL text for both databases: the macros here pick the connection, and
//! the compiler types the statement once for each.
//!
//! The texts keep to what both speak: `$1` parameters in the order of their first
//! use, `returning`, `on conflict`, ids and times made in Rust.

use sqlx::Transaction;
#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};

#[cfg(feature = "sqlite")]
use super::sqlite::SqliteFile;
use super::{
    connect::{Db, Pools},
    invalidation::Revocable,
};

/// Runs a statement that only reads.
macro_rules! on_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.read;
                $statement
            }
            #[cfg(feature = "postgres")]
            $crate::db::Pools::Postgres(postgres) => {
                let $conn = &postgres.pool;
                $statement
            }
        }
    };
}

/// Runs a small query, no more of them at once than
/// [`small_queries_at_once`](super::Db::small_queries_at_once).
macro_rules! on_small_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.read_small;
                $statement
            }
            #[cfg(feature = "postgres")]
            $crate::db::Pools::Postgres(postgres) => {
                let $conn = &postgres.pool;
                $statement
            }
        }
    };
}

/// Runs one statement that writes.
macro_rules! on_writer {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.write;
                pools.file.checked($statement)
            }
            #[cfg(feature = "postgres")]
            $crate::db::Pools::Postgres(postgres) => {
                let $conn = &postgres.pool;
                $statement
            }
        }
    };
}

/// Runs a statement of a transaction.
macro_rules! in_tx {
    ($tx:expr, $conn:ident => $statement:expr) => {
        match $tx {
            #[cfg(feature = "sqlite")]
            $crate::db::Tx::Sqlite(tx, _) => {
                let $conn = &mut **tx;
                $statement
            }
            #[cfg(feature = "postgres")]
            $crate::db::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $statement
            }
        }
    };
}

pub(crate) use {in_tx, on_reader, on_small_reader, on_writer};

/// A transaction that writes; rolled back unless committed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Tx {
    #[cfg(feature = "sqlite")]
    #[doc(hidden)]
    Sqlite(Transaction<'static, Sqlite>, SqliteFile),
    #[cfg(feature = "postgres")]
    #[doc(hidden)]
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// The connection, when this is a transaction on SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match self {
            Self::Sqlite(tx, _) => Some(&mut **tx),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// The connection, when this is a transaction on PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => None,
            Self::Postgres(tx) => Some(&mut **tx),
        }
    }

    /// For the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(..) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Commits everything done in this transaction. Fails also where SQLite has written to a
    /// file that was deleted or replaced.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(tx, file) => file.checked(tx.commit().await),
            #[cfg(feature = "postgres")]
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    /// Commits a transaction that ends sessions, on a task of its own: the database may have
    /// committed when the client disconnects. What is cached of `ended` is invalidated after an
    /// error too, as the database may have committed all the same.
    pub(crate) async fn commit_ending(self, db: &Db, ended: Vec<Revocable>) -> sqlx::Result<()> {
        let revocations = db.revocations().clone();
        let done = tokio::spawn(async move {
            let done = self.commit().await;
            revocations.revoke(ended);
            done
        });
        done.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
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
        Ok(match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => Tx::Sqlite(sqlite.begin().await?, sqlite.file.clone()),
            #[cfg(feature = "postgres")]
            Pools::Postgres(postgres) => Tx::Postgres(postgres.begin().await?),
        })
    }
}
