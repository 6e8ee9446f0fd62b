//! One SQL text for both databases: the macros here pick the connection, and
//! the compiler types the statement once for each.
//!
//! The texts keep to what both speak: `$1` parameters in the order of their first
//! use, `returning`, `on conflict`, ids and times made in Rust.

use std::{fmt, mem};

#[cfg(feature = "postgres")]
use sqlx::{PgConnection, Postgres};
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};
use sqlx::{Transaction, pool::PoolConnection};

use super::invalidation::Revocable;
#[cfg(feature = "sqlite")]
use super::sqlite::file::SqliteFile;

/// Runs a statement of a transaction.
macro_rules! in_tx {
    ($tx:expr, $conn:ident => $statement:expr) => {
        match $tx.connection() {
            #[cfg(feature = "sqlite")]
            $crate::db::Connection::Sqlite($conn) => $statement,
            #[cfg(feature = "postgres")]
            $crate::db::Connection::Postgres($conn) => $statement,
        }
    };
}

pub(crate) use in_tx;

/// A transaction that writes; rolled back unless committed.
pub struct Tx {
    inner: Inner,
    effects: Effects,
}

/// Where the transaction runs.
pub(super) enum Inner {
    /// One that the app has begun.
    #[cfg(feature = "sqlite")]
    Sqlite(Transaction<'static, Sqlite>, SqliteFile),
    /// One of [`Db::write`](super::Db::write), which ends it.
    #[cfg(feature = "sqlite")]
    SqliteWrite(PoolConnection<Sqlite>),
    /// One that the app has begun.
    #[cfg(feature = "postgres")]
    Postgres(Transaction<'static, Postgres>),
    /// One of [`Db::write`](super::Db::write), which ends it.
    #[cfg(feature = "postgres")]
    PostgresWrite(PoolConnection<Postgres>),
}

/// The connection of a transaction.
pub(crate) enum Connection<'t> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'t mut SqliteConnection),
    #[cfg(feature = "postgres")]
    Postgres(&'t mut PgConnection),
}

/// The effects of a write apart from its rows.
#[derive(Default)]
pub(super) struct Effects {
    pub revoked: Vec<Revocable>,
    pub after_commit: Vec<Box<dyn FnOnce() + Send>>,
    is_abandoned: bool,
}

impl Tx {
    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner,
            effects: Effects::default(),
        }
    }

    /// The connection, when this is a transaction on SQLite.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut SqliteConnection> {
        match self.connection() {
            Connection::Sqlite(connection) => Some(connection),
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => None,
        }
    }

    /// The connection, when this is a transaction on PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        match self.connection() {
            #[cfg(feature = "sqlite")]
            Connection::Sqlite(_) => None,
            Connection::Postgres(connection) => Some(connection),
        }
    }

    pub(crate) fn connection(&mut self) -> Connection<'_> {
        match &mut self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(tx, _) => Connection::Sqlite(tx),
            #[cfg(feature = "sqlite")]
            Inner::SqliteWrite(connection) => Connection::Sqlite(connection),
            #[cfg(feature = "postgres")]
            Inner::Postgres(tx) => Connection::Postgres(tx),
            #[cfg(feature = "postgres")]
            Inner::PostgresWrite(connection) => Connection::Postgres(connection),
        }
    }

    /// For the few statements that differ.
    pub(crate) fn is_postgres(&self) -> bool {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(..) | Inner::SqliteWrite(_) => false,
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) | Inner::PostgresWrite(_) => true,
        }
    }

    /// Commits everything done in this transaction. Fails also where SQLite has written to a
    /// file that was deleted or replaced.
    pub async fn commit(self) -> sqlx::Result<()> {
        match self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(tx, file) => file.checked(tx.commit().await),
            #[cfg(feature = "postgres")]
            Inner::Postgres(tx) => tx.commit().await,
            // Closures of `Db::write` only borrow it.
            #[cfg(feature = "sqlite")]
            Inner::SqliteWrite(_) => Err(sqlx::Error::BeginFailed),
            #[cfg(feature = "postgres")]
            Inner::PostgresWrite(_) => Err(sqlx::Error::BeginFailed),
        }
    }

    pub(super) fn into_inner(self) -> Inner {
        self.inner
    }
}

/// For closures of [`Db::write`](super::Db::write).
impl Tx {
    /// Invalidates the cached sessions of `ids` before the result of the write is returned: after
    /// the commit, even a failed one, as the database may have committed all the same.
    pub(crate) fn revoke(&mut self, ids: impl IntoIterator<Item = Revocable>) {
        self.effects.revoked.extend(ids);
    }

    /// Runs `effect` once the write is committed.
    pub(crate) fn after_commit(&mut self, effect: impl FnOnce() + Send + 'static) {
        self.effects.after_commit.push(Box::new(effect));
    }

    /// Rolls back what the closure did, although it succeeds.
    pub(crate) fn abandon(&mut self) {
        self.effects.is_abandoned = true;
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.effects.is_abandoned
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        mem::take(&mut self.effects)
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("is_postgres", &self.is_postgres())
            .finish_non_exhaustive()
    }
}
