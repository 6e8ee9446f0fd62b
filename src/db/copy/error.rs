//! Why rows could not be copied.

use thiserror::Error;

use crate::db::is_unavailable;

/// Why a copy stopped. Rows that were copied stay, to be continued from.
#[derive(Debug, Error)]
pub(crate) enum CopyError {
    #[error("the source failed: {0}")]
    Source(#[source] sqlx::Error),
    #[error("the target failed: {0}")]
    Target(#[source] sqlx::Error),
    #[error("the target refuses rows of {table}: {error}")]
    Refused {
        table: String,
        #[source]
        error: sqlx::Error,
    },
    /// Somebody else keeps writing.
    #[error("the source is being written to: stop its servers first ({0})")]
    SourceIsBusy(#[source] sqlx::Error),
    #[error("{table}.{column} holds a value that cannot be copied: {error}")]
    Value {
        table: String,
        column: String,
        #[source]
        error: sqlx::Error,
    },
    #[error("{table} has different columns in the two databases: {differing}")]
    OtherColumns { table: String, differing: String },
    #[error("{table}.{column} has the type {declared}, which the other database may not keep")]
    UnknownType {
        table: String,
        column: String,
        declared: String,
    },
    #[error("another move to the same database is running")]
    TwoMoves,
    #[error(
        "{table} differs after the copy: {source_rows} rows and checksum {source_sum} in the \
         source, {target_rows} and {target_sum} in the target: somebody else has written to it; empty \
         it and run the move again"
    )]
    Differs {
        table: String,
        source_rows: u64,
        source_sum: String,
        target_rows: u64,
        target_sum: String,
    },
}

impl CopyError {
    /// Whether the same move may succeed when it is run again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Source(error) | Self::Target(error) => is_unavailable(error),
            _ => false,
        }
    }
}
