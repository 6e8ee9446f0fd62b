//! SQLite tells each connection whether another one has written since it last asked.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sqlx::SqlitePool;
use tokio::time::{MissedTickBehavior, interval};

use super::file::SqliteFile;
use crate::db::invalidation::Revocations;

const INTERVAL: Duration = Duration::from_millis(200);

/// Asks the connection that does every write of this process, so that the number that it
/// reads moves only when another process has written.
pub(super) async fn watch(
    write: &SqlitePool,
    writers: &AtomicU64,
    file: &SqliteFile,
    revocations: &Revocations,
) {
    let mut seen = None;
    let mut was_read = true;
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match file.checked(version(write, writers).await) {
            Ok((moment, version)) => {
                if seen != Some(version) {
                    revocations.revoke_all();
                    seen = Some(version);
                }
                revocations.synced_at(moment);
                was_read = true;
            }
            Err(_) if write.is_closed() => return,
            Err(error) => {
                // Once, not five times a second for as long as it lasts.
                if was_read {
                    tracing::warn!(%error, "cannot tell whether the database was changed");
                }
                was_read = false;
            }
        }
    }
}

/// SQLite's `data_version`, which is valid for one connection, with the number of that connection.
async fn version(write: &SqlitePool, writers: &AtomicU64) -> sqlx::Result<(Instant, (u64, i64))> {
    let mut conn = write.acquire().await?;
    // There is one at a time.
    let writer = writers.load(Ordering::SeqCst);
    let moment = Instant::now();
    let version = sqlx::query_scalar("pragma data_version")
        .fetch_one(&mut *conn)
        .await?;
    Ok((moment, (writer, version)))
}
