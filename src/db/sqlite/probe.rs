//! Checks that the database can be written to.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::SqlitePools;

/// How long one successful write is proof: each waits for the disk.
const PROBED_EVERY: Duration = Duration::from_secs(1);

/// When writing was last tried and succeeded. Cheap to clone.
pub(super) type LastProbe = Arc<Mutex<Option<Instant>>>;

impl SqlitePools {
    /// Fails when the file is gone or cannot be written to, as its disk may be full.
    pub async fn probe(&self) -> sqlx::Result<()> {
        self.file.check()?;
        // On a task of its own, as every transaction: the client may disconnect.
        let pools = self.clone();
        let probed = tokio::spawn(async move { pools.probe_in_turn().await });
        probed.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// Writes once at a time; callers that wait meanwhile share the result.
    async fn probe_in_turn(&self) -> sqlx::Result<()> {
        let mut last = self.last_probe.lock().await;
        if last.is_some_and(|last| last.elapsed() < PROBED_EVERY) {
            return Ok(());
        }
        *last = None;
        self.write_nothing().await?;
        *last = Some(Instant::now());
        Ok(())
    }

    /// Commits a page that is as it was. A transaction that is rolled back, or that changes
    /// nothing, does not reach the disk. To another process on the file it is a change like any
    /// other, after which it reads its sessions again.
    async fn write_nothing(&self) -> sqlx::Result<()> {
        let mut tx = self.begin().await?;
        let version: i64 = sqlx::query_scalar("pragma user_version")
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query(&format!("pragma user_version = {version}"))
            .execute(&mut *tx)
            .await?;
        self.file.checked(tx.commit().await)
    }
}
