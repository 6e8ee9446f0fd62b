//! Whether the database answers, and takes what is written.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::{Db, Pools, Tx, on_reader};

/// A write that has succeeded is not tried again for so long: each one waits for the disk.
const PROBED_EVERY: Duration = Duration::from_secs(1);

/// When writing was last tried and succeeded. Cheap to clone.
pub(super) type LastProbe = Arc<Mutex<Option<Instant>>>;

impl Db {
    /// Asks the database whether it is there; on SQLite also whether it can be written to, as
    /// its disk may be full.
    pub async fn ping(&self) -> sqlx::Result<()> {
        on_reader!(self, conn => sqlx::query("select 1").execute(conn).await.map(drop))?;
        match self.pools() {
            Pools::Postgres(_) => Ok(()),
            Pools::Sqlite { file, .. } => {
                file.check()?;
                // On a task of its own, as every transaction: who asks may hang up.
                let db = self.clone();
                let probed = tokio::spawn(async move { db.probe().await });
                probed.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
            }
        }
    }

    /// One write at a time, and shared by all who ask meanwhile.
    async fn probe(&self) -> sqlx::Result<()> {
        let mut last = self.last_probe().lock().await;
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
        if let Tx::Sqlite(conn, _) = &mut tx {
            let version: i64 = sqlx::query_scalar("pragma user_version")
                .fetch_one(&mut **conn)
                .await?;
            sqlx::query(&format!("pragma user_version = {version}"))
                .execute(&mut **conn)
                .await?;
        }
        tx.commit().await
    }
}
