//! A consistent copy of a database that may be in use.

use std::{path::Path, time::Duration};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::sleep;

use super::{
    migrations::{is_handstamp, is_unfinished},
    sqlite::{BUSY_TIMEOUT, is_in_use, log_beside},
};

/// Between attempts to have a file alone.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_ATTEMPTS: u32 = 100;

/// Why a file is not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("it is no handstamp database")]
    NotHandstamp,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("a move to it is not finished: run `handstamp move-database` again")]
    Unfinished,
    #[error("its log could not be written back into it")]
    LogIsLeft,
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

/// Writes the log of a copy that nobody uses any more back into its file, and checks the file,
/// which can then be renamed alone. Closing it does the first as well, but SQLite reports no
/// error when that fails, such as on a full disk.
pub(crate) async fn settle(copy: &Path) -> Result<(), SnapshotError> {
    let mut conn = open(&SqliteConnectOptions::new().filename(copy)).await?;
    let settled = async {
        let mode = without_log(&mut conn).await?;
        if mode != "delete" {
            return Err(SnapshotError::LogIsLeft);
        }
        check(&mut conn).await
    };
    let settled = settled.await;
    conn.close().await?;
    settled?;
    match log_beside(copy).map_err(sqlx::Error::from)? {
        Some(_) => Err(SnapshotError::LogIsLeft),
        None => Ok(()),
    }
}

/// Writes the log back and turns it off; the journal mode from then on. Connections that were closed
/// just before may take a moment to let go of the file, and SQLite does not wait for them here.
async fn without_log(conn: &mut SqliteConnection) -> sqlx::Result<String> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let mode = sqlx::query_scalar("pragma journal_mode = delete");
        match mode.fetch_one(&mut *conn).await {
            Err(error) if is_in_use(&error) && attempts < MAX_ATTEMPTS => sleep(PAUSE).await,
            mode => return mode,
        }
    }
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
    if is_unfinished(conn).await? {
        return Err(SnapshotError::Unfinished);
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
