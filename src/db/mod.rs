//! The database: SQLite or PostgreSQL, and nothing outside this folder knows which.

mod connect;
mod error;
mod invalidation;
mod migrations;
mod ping;
mod record_stores;
mod sqlite_file;
mod timestamp;
mod transaction;
mod url;

pub use connect::Db;
pub use migrations::MigrateError;
pub use transaction::Tx;
pub use url::DatabaseUrl;

pub(crate) use connect::Pools;
pub(crate) use error::is_unavailable;
pub(crate) use invalidation::{Revocable, Revocations, Stamp};
pub(crate) use migrations::Migrations;
pub(crate) use transaction::{in_tx, on_reader, on_small_reader, on_writer};
