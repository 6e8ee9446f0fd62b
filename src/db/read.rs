//! Statements that only read: the macros pick the connection, as those of a transaction do. They
//! fail when they take too long.

/// Runs a statement that only reads.
macro_rules! on_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        $crate::db::on_pool!($db, read, $conn => $statement)
    };
}

/// Runs a small query, no more of them at once than
/// [`small_queries_at_once`](super::Db::small_queries_at_once).
macro_rules! on_small_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        $crate::db::on_pool!($db, read_small, $conn => $statement)
    };
}

/// Runs a statement on this pool of SQLite's, or on the one pool of PostgreSQL, which has time
/// limits of its own.
macro_rules! on_pool {
    ($db:expr, $pool:ident, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.$pool;
                $crate::db::in_time(async { $statement }).await
            }
            #[cfg(feature = "postgres")]
            $crate::db::Pools::Postgres(postgres) => {
                let $conn = &postgres.pool;
                $statement
            }
        }
    };
}

pub(crate) use {on_pool, on_reader, on_small_reader};
