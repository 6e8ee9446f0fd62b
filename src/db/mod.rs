//! The database: SQLite or PostgreSQL, and nothing outside this folder knows which.

mod connect;
mod record_stores;
mod statement;
mod timestamp;

pub use connect::{Db, MigrateError};
pub use statement::Tx;

pub(crate) use connect::Pools;
pub(crate) use statement::{in_tx, on_reader, on_writer};
