//! Checks that the database can be written to.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::SqlitePools;
use crate::db::Tx;

/// How long one successful write is proof: each waits for the disk.
const PROBED_EVERY: Duration = Duration::from_secs(1);

/// When writing was last tried and succeeded. Cheap to clone.
pub(super) type LastProbe = Arc<Mutex<Option<Instant>>>;

impl SqlitePools {
    /// Fails when the file is gone or cannot be written to, as when its disk is full. Concurrent
    /// callers share one write.
    pub async fn probe<F>(&self, write: impl FnOnce() -> F) -> sqlx::Result<()>
    where
        F: Future<Output = sqlx::Result<()>>,
    {
        self.file.check()?;
        let mut last = self.last_probe.lock().await;
        if last.is_some_and(|last| last.elapsed() < PROBED_EVERY) {
            return Ok(());
        }
        *last = None;
        write().await?;
        *last = Some(Instant::now());
        Ok(())
    }
}

/// Writes an unchanged page. A transaction that is rolled back, or that changes nothing,
/// does not reach the disk. To another process on the file it is a change like any other, after
/// which it reads its sessions again.
pub async fn write_nothing(tx: &mut Tx) -> sqlx::Result<()> {
    let Some(connection) = tx.sqlite() else {
        return Ok(());
    };
    let version: i64 = sqlx::query_scalar("pragma user_version")
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(&format!("pragma user_version = {version}"))
        .execute(connection)
        .await
        .map(drop)
}
