//! What is known of a database before anything is written to it.

use std::{fs, io};

use super::{
    error::CopyError,
    side::{Side, on_side},
    table::quoted,
};
use crate::db::{DatabaseUrl, is_same_file, migrations::MOVE_TABLE as MARKER};

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
pub(crate) async fn is_same(source: &DatabaseUrl, target: &DatabaseUrl) -> Result<bool, CopyError> {
    match (source, target) {
        (DatabaseUrl::Sqlite(one), DatabaseUrl::Sqlite(other)) => {
            let is_same = is_same_file(one.get_filename(), other.get_filename());
            is_same.map_err(|error| CopyError::Target(error.into()))
        }
        (DatabaseUrl::Postgres(_), DatabaseUrl::Postgres(_)) => {
            let source = identity(source).await.map_err(CopyError::Source)?;
            Ok(source == identity(target).await.map_err(CopyError::Target)?)
        }
        _ => Ok(false),
    }
}

/// What is wrong with the search path of a PostgreSQL database, if anything: everything is copied
/// from or to its first schema, so that tables of ours in another one would be passed over.
pub(crate) async fn wrong_schema(url: &DatabaseUrl) -> sqlx::Result<Option<String>> {
    if let DatabaseUrl::Sqlite(_) = url {
        return Ok(None);
    }
    let mut side = begun(url).await?;
    let sql = format!(
        "select current_schema()::text, (
             select min(n.nspname::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where n.nspname <> current_schema() and c.oid in (
                 to_regclass('users'), to_regclass('sessions'),
                 to_regclass('_handstamp_migrations'), to_regclass('{MARKER}')
             )
         )"
    );
    let (first, other): (Option<String>, Option<String>) =
        on_side!(&mut side, conn => sqlx::query_as(&sql).fetch_one(conn).await)?;
    side.close().await?;
    Ok(match (first, other) {
        (None, _) => Some("no schema of its search_path exists".to_owned()),
        (Some(first), Some(other)) => Some(format!(
            "its search_path finds tables in the schema {other}, and would create them in {first}: \
             have it name one schema"
        )),
        _ => None,
    })
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
