//! One SQL text for both databases: the macros here pick the connection, and
//! the compiler types the statement once for each.
//!
//! The texts keep to what both speak: `$1` parameters in the order of their first
//! use, `returning`, `on conflict`, ids and times made in Rust.

use sqlx::{Postgres, Sqlite, Transaction};

use super::{Db, Pools, sqlite_file::SqliteFile};

/// Runs a statement that only reads.
macro_rules! on_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            $crate::db::Pools::Sqlite { read: $conn, .. } => $statement,
            $crate::db::Pools::Postgres($conn) => $statement,
        }
    };
}

/// Runs a small query, no more of them at once than
/// [`small_queries_at_once`](super::Db::small_queries_at_once).
macro_rules! on_small_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            $crate::db::Pools::Sqlite {
                read_small: $conn, ..
            } => $statement,
            $crate::db::Pools::Postgres($conn) => $statement,
        }
    };
}

/// Runs one statement that writes.
macro_rules! on_writer {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            $crate::db::Pools::Sqlite {
                write: $conn, file, ..
            } => file.checked($statement),
            $crate::db::Pools::Postgres($conn) => $statement,
        }
    };
}

/// Runs a statement of a transaction.
macro_rules! in_tx {
    ($tx:expr, $conn:ident => $statement:expr) => {
        match $tx {
            $crate::db::Tx::Sqlite(tx, _) => {
                let $conn = &mut **tx;
                $statement
            }
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
pub enum Tx {
    #[doc(hidden)]
    Sqlite(Transaction<'static, Sqlite>, SqliteFile),
    #[doc(hidden)]
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes everything done in this transaction last. Fails also where SQLite has written to a
    /// file that will not be found again.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(tx, file) => file.checked(tx.commit().await),
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl Db {
    /// Begins a transaction that will write.
    ///
    /// On SQLite, whoever ends a session or changes a user in it by SQL of their own is not
    /// heard by this process, which may believe what it has in memory for half an hour:
    /// [`Accounts`](crate::gate::Accounts) is there for that.
    ///
    /// On SQLite it takes the write lock at once: a transaction that reads first and
    /// writes later fails with `SQLITE_BUSY_SNAPSHOT`, whatever the busy timeout. It begins
    /// on a task of its own: sqlx 0.8 leaves the transaction open for good when a client
    /// hangs up while it waits for this, and what others then write on the connection is
    /// never committed.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        Ok(match self.pools() {
            Pools::Sqlite { write, file, .. } => {
                let write = write.clone();
                let begun = tokio::spawn(async move { write.begin_with("begin immediate").await });
                let begun = begun.await.map_err(|_| sqlx::Error::WorkerCrashed)?;
                Tx::Sqlite(file.checked(begun)?, file.clone())
            }
            Pools::Postgres(pool) => {
                let pool = pool.clone();
                let begun = tokio::spawn(async move { pool.begin().await });
                Tx::Postgres(begun.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
            }
        })
    }
}
