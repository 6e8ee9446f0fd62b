//! Removes rows that nobody will ask for any more.

use std::{convert::Infallible, time::Duration};

use super::{audit, sessions, state::Gate, tallies};

/// Small, so that nobody waits long for the write lock.
const BATCH: i64 = 500;
/// A session that is over is still told from one that never was for so long.
const KEPT_EXPIRED: Duration = Duration::from_secs(60 * 60);
const KEPT_AUDIT_EVENTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Gate {
    /// Removes every session that has been over for an hour, a small batch at a time;
    /// how many there were.
    ///
    /// # Errors
    /// When the database does not answer; what was removed until then stays removed.
    pub async fn purge_expired_sessions(&self) -> sqlx::Result<u64> {
        let before = self.now().before(KEPT_EXPIRED);
        let mut purged = 0;
        loop {
            let batch = sessions::purge(self.db(), before, BATCH).await?;
            purged += batch;
            if batch == 0 {
                return Ok(purged);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Removes what has been counted of attempts and says nothing any more, and audit events
    /// that are 90 days old; how many rows there were.
    ///
    /// # Errors
    /// When the database does not answer; what was removed until then stays removed.
    pub async fn purge_records(&self) -> sqlx::Result<u64> {
        let now = self.now();
        let before = now.before(KEPT_AUDIT_EVENTS);
        let mut purged = 0;
        loop {
            let tallies = tallies::purge(self.db(), now, BATCH).await?;
            let batch = tallies + audit::purge(self.db(), before, BATCH).await?;
            purged += batch;
            if batch == 0 {
                return Ok(purged);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Purges now and at every `interval`, whatever the database answers.
pub async fn keep_purging(gate: Gate, interval: Duration) -> Infallible {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        match gate.purge_expired_sessions().await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "removed expired sessions"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
        if let Err(error) = gate.purge_records().await {
            tracing::warn!(%error, "old records could not be removed");
        }
    }
}
