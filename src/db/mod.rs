//! The database: SQLite or PostgreSQL, and nothing outside this folder knows which.

mod changes;
mod connect;
mod migrations;
mod ping;
mod postgres_changes;
mod record_stores;
mod revocations;
mod sqlite_changes;
mod sqlite_file;
mod statement;
mod timestamp;

pub use connect::Db;
pub use migrations::MigrateError;
pub use statement::Tx;

pub(crate) use connect::Pools;
pub(crate) use revocations::{Revocable, Revocations, Stamp};
pub(crate) use statement::{in_tx, on_reader, on_small_reader, on_writer};
