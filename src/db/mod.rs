//! The database: SQLite or PostgreSQL, and nothing outside this folder knows which.

mod connect;
#[cfg(feature = "server")]
pub(crate) mod copy;
mod error;
mod invalidation;
mod limits;
mod migrations;
mod ping;
#[cfg(feature = "postgres")]
mod postgres;
mod read;
mod record_stores;
#[cfg(feature = "server")]
mod snapshot;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;
mod url;
mod write;

pub use connect::Db;
pub use migrations::MigrateError;
pub use transaction::Tx;
pub use url::{DatabaseUrl, DatabaseUrlError};

pub(crate) use connect::Pools;
pub(crate) use error::is_unavailable;
pub(crate) use invalidation::{Listener, Revocable, Stamp};
#[cfg(feature = "server")]
pub(crate) use limits::COMMAND_TIMEOUT;
#[cfg(feature = "server")]
pub(crate) use limits::REQUEST_TIMEOUT;
#[cfg(feature = "totp")]
pub(crate) use limits::wait;
pub(crate) use limits::{as_request, in_time};
#[cfg(feature = "server")]
pub(crate) use migrations::{Migrations, TABLES};
pub(crate) use read::{on_pool, on_reader, on_small_reader};
#[cfg(feature = "server")]
pub(crate) use snapshot::{SnapshotError, checked_snapshot, settle, snapshot};
#[cfg(feature = "server")]
pub(crate) use sqlite::{
    BESIDE, beside, create, is_same_file, log_beside, put, refuse_open, replace,
};
pub(crate) use transaction::{Connection, in_tx};
