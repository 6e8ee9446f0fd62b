//! A consistent copy of a database that may be in use.

use std::path::Path;

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::BUSY_TIMEOUT;
use crate::db::migrations::is_handstamp;

/// Why a file is not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("it is no handstamp database")]
    NotHandstamp,
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// Writes all that is committed to `copy`, which is empty or missing; readers and writers go on.
///
/// `vacuum into` reads one snapshot, however long it takes. SQLite's online backup starts over
/// whenever another process has written, so that under load it ends only if it copies everything
/// in one step, which holds back the log just as long; and it copies free pages as well.
pub(crate) async fn snapshot(
    file: &SqliteConnectOptions,
    copy: &Path,
) -> Result<(), SnapshotError> {
    let mut conn = open(file).await?;
    let done = vacuum_into(&mut conn, copy).await;
    // The last connection to a file writes its log back.
    conn.close().await?;
    done
}

/// As [`snapshot`], of a file that may be anything: only a sound handstamp database is copied.
pub(crate) async fn checked_snapshot(
    file: &SqliteConnectOptions,
    copy: &Path,
) -> Result<(), SnapshotError> {
    let mut conn = open(&file.clone().read_only(true)).await?;
    let done = async {
        check(&mut conn).await?;
        vacuum_into(&mut conn, copy).await
    };
    let done = done.await;
    conn.close().await?;
    done
}

async fn open(file: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let file = file.clone().create_if_missing(false);
    let file = file.busy_timeout(BUSY_TIMEOUT);
    file.disable_statement_logging().connect().await
}

async fn vacuum_into(conn: &mut SqliteConnection, copy: &Path) -> Result<(), SnapshotError> {
    if !is_handstamp(conn).await? {
        return Err(SnapshotError::NotHandstamp);
    }
    let Some(copy) = copy.to_str() else {
        let what = "the file's name must be UTF-8";
        return Err(sqlx::Error::Configuration(what.into()).into());
    };
    sqlx::query("vacuum into $1")
        .bind(copy)
        .execute(conn)
        .await?;
    Ok(())
}

async fn check(conn: &mut SqliteConnection) -> Result<(), SnapshotError> {
    if !is_handstamp(conn).await? {
        return Err(SnapshotError::NotHandstamp);
    }
    let found: String = sqlx::query_scalar("pragma integrity_check(1)")
        .fetch_one(conn)
        .await?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(SnapshotError::Damaged(found)),
    }
}
