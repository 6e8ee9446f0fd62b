//! Statements that only read: the macros pick the connection, as those of a transaction do. They
//! fail when they take too long.

/// Runs a statement that only reads.
macro_rules! on_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.read;
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

/// Runs a small query, no more of them at once than
/// [`small_queries_at_once`](super::Db::small_queries_at_once).
macro_rules! on_small_reader {
    ($db:expr, $conn:ident => $statement:expr) => {
        match $db.pools() {
            #[cfg(feature = "sqlite")]
            $crate::db::Pools::Sqlite(pools) => {
                let $conn = &pools.read_small;
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

pub(crate) use {on_reader, on_small_reader};
