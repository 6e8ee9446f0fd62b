//! What is copied from: one snapshot, which nobody writes to meanwhile.

use super::{
    describe::describe,
    error::CopyError,
    side::{Side, Unreadable},
    table::{Table, quoted},
};
use crate::db::DatabaseUrl;

#[derive(Debug)]
pub(super) struct Source {
    pub side: Side,
}

impl Source {
    /// Takes a snapshot of these tables, and keeps everybody else from writing until it is
    /// closed: what they wrote would be missing in the target. They can read.
    pub async fn open(url: &DatabaseUrl, tables: &[&str]) -> Result<Self, CopyError> {
        let mut side = Side::connect(url).await.map_err(CopyError::Source)?;
        let locked = match side.is_postgres() {
            false => side.begin_to_write().await,
            true => lock(&mut side, tables).await,
        };
        locked.map_err(|error| match is_locked(&error) {
            true => CopyError::SourceIsBusy(error),
            false => CopyError::Source(error),
        })?;
        Ok(Self { side })
    }

    pub async fn describe(&mut self, name: &str) -> Result<Table, CopyError> {
        describe(&mut self.side, name, CopyError::Source).await
    }

    pub async fn count(&mut self, tables: &[Table]) -> Result<u64, CopyError> {
        let mut rows = 0;
        for table in tables {
            let count = self.side.count(&quoted(&table.name)).await;
            rows += count.map_err(CopyError::Source)?;
        }
        Ok(rows)
    }

    pub async fn close(mut self) {
        // Nothing was written; a connection that fails here has done its work.
        let _ = self.side.execute("rollback").await;
        let _ = self.side.close().await;
    }
}

/// Whether somebody else holds a lock: SQLite's primary codes BUSY and LOCKED, and PostgreSQL's
/// `lock_not_available`.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| match code.parse::<u32>() {
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6),
        _ => code == "55P03",
    })
}

/// The locks come first: the snapshot is taken by the first query, after the last write. None of
/// these statements but the last is one.
async fn lock(side: &mut Side, tables: &[&str]) -> sqlx::Result<()> {
    let tables: Vec<_> = tables.iter().map(|table| quoted(table)).collect();
    let sql = format!(
        "begin isolation level repeatable read;
         set local lock_timeout = '5s';
         set local statement_timeout = 0;
         set local idle_in_transaction_session_timeout = 0;
         lock table {} in share mode;
         deallocate all",
        tables.join(", ")
    );
    side.execute(&sql).await
}

/// Why a row of `table` was not read.
pub(super) fn unreadable(
    table: &Table,
    failed: fn(sqlx::Error) -> CopyError,
) -> impl Fn(Unreadable) -> CopyError {
    move |Unreadable { column, error }| match column {
        None => failed(error),
        Some(column) => CopyError::Value {
            table: table.name.clone(),
            column,
            error,
        },
    }
}
