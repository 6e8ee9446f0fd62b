//! What is known of a database before anything is written to it.

use std::{fs, io, os::unix::fs::MetadataExt};

use super::{
    MARKER,
    side::{Side, on_side},
    table::quoted,
};
use crate::db::DatabaseUrl;

/// Tables whose rows are not data: migrations that were applied, and the log that nodes read.
const BOOKKEEPING: [&str; 4] = [
    "_handstamp_migrations",
    "_handstamp_news_migrations",
    "_sqlx_migrations",
    "revocations",
];

/// What a database is as the target of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetState {
    /// A missing SQLite file, or no row in any table.
    Empty,
    /// An earlier copy was interrupted.
    Unfinished,
    /// Somebody's rows, in this table at least.
    HoldsRows(String),
}

/// Looks at the target without changing it.
pub(crate) async fn target_state(url: &DatabaseUrl) -> sqlx::Result<TargetState> {
    let Some(mut side) = connect_to_read(url).await? else {
        return Ok(TargetState::Empty);
    };
    let state = state(&mut side).await;
    side.close().await?;
    state
}

async fn state(side: &mut Side) -> sqlx::Result<TargetState> {
    let tables = side.tables().await?;
    if tables.iter().any(|table| table == MARKER) {
        return Ok(TargetState::Unfinished);
    }
    for table in tables {
        if BOOKKEEPING.contains(&&*table) {
            continue;
        }
        let sql = format!("select exists (select 1 from {})", quoted(&table));
        let holds_rows: bool =
            on_side!(&mut *side, conn => sqlx::query_scalar(&sql).fetch_one(conn).await)?;
        if holds_rows {
            return Ok(TargetState::HoldsRows(table));
        }
    }
    Ok(TargetState::Empty)
}

/// The tables that a copy of `copied` leaves behind.
pub(crate) async fn other_tables(url: &DatabaseUrl, copied: &[&str]) -> sqlx::Result<Vec<String>> {
    let mut tables = tables(url).await?;
    tables.retain(|table| !copied.contains(&&**table) && !BOOKKEEPING.contains(&&**table));
    Ok(tables)
}

async fn tables(url: &DatabaseUrl) -> sqlx::Result<Vec<String>> {
    let Some(mut side) = connect_to_read(url).await? else {
        return Ok(Vec::new());
    };
    let tables = side.tables().await;
    side.close().await?;
    tables
}

/// Whether the two are one and the same database, by whatever name.
pub(crate) async fn is_same(one: &DatabaseUrl, other: &DatabaseUrl) -> sqlx::Result<bool> {
    match (one, other) {
        (DatabaseUrl::Sqlite(one), DatabaseUrl::Sqlite(other)) => {
            let inode = |file: &std::path::Path| match fs::metadata(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                found => found.map(|found| Some((found.dev(), found.ino()))),
            };
            let one = inode(one.get_filename())?;
            Ok(one.is_some() && one == inode(other.get_filename())?)
        }
        (DatabaseUrl::Postgres(_), DatabaseUrl::Postgres(_)) => {
            Ok(identity(one).await? == identity(other).await?)
        }
        _ => Ok(false),
    }
}

/// The moment at which the server was started, the database and the schema.
async fn identity(url: &DatabaseUrl) -> sqlx::Result<(String, String, String)> {
    let mut side = begun(url).await?;
    let sql = "select pg_postmaster_start_time()::text, current_database()::text,
                      current_schema()::text";
    let identity = on_side!(&mut side, conn => sqlx::query_as(sql).fetch_one(conn).await)?;
    side.close().await?;
    Ok(identity)
}

/// None when there is no SQLite file, or an empty one.
async fn connect_to_read(url: &DatabaseUrl) -> sqlx::Result<Option<Side>> {
    let DatabaseUrl::Sqlite(file) = url else {
        return begun(url).await.map(Some);
    };
    match fs::metadata(file.get_filename()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(found) if found.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let read_only = DatabaseUrl::Sqlite(file.clone().read_only(true));
    begun(&read_only).await.map(Some)
}

/// Connected, in a transaction that ends with the connection.
async fn begun(url: &DatabaseUrl) -> sqlx::Result<Side> {
    let mut side = Side::connect(url).await?;
    side.begin().await?;
    Ok(side)
}
