//! Removes rows that nobody will ask for any more.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use super::{audit, sessions, state::Gate, tallies};

/// A session that is over is still told from one that never was for so long.
const KEPT_EXPIRED: Duration = Duration::from_secs(60 * 60);
const KEPT_AUDIT_EVENTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

const DOUBLING: Duration = Duration::from_secs(10);

/// The longest rest: where the time went into waiting for other writers, none is owed to them.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How much is removed at a time, and how long nothing is after it.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rows: i64,
    /// With a backlog the batches double every [`DOUBLING`], up to so many rows.
    most_rows: i64,
    /// Times as long as the removing took.
    rest: u32,
}

/// For who waits for the end of it.
const BRISK: Pace = Pace {
    rows: 500,
    most_rows: 500,
    rest: 0,
};
/// Beside requests: a core is gone for about a millisecond, and a tenth of the time. Where
/// visitors make rows faster than that, each batch also waits for their writes; larger ones
/// remove more than the writes between two of them can add.
const GENTLE: Pace = Pace {
    rows: 10,
    most_rows: 500,
    rest: 9,
};

impl Gate {
    /// Removes every session that has been over for an hour, a batch at a time; how many
    /// there were.
    ///
    /// # Errors
    /// When the database does not answer; what was removed until then stays removed.
    pub async fn purge_expired_sessions(&self) -> sqlx::Result<u64> {
        self.purge_sessions_at(BRISK).await
    }

    /// Removes what has been counted of attempts and says nothing any more, and audit events
    /// that are 90 days old, a batch at a time; how many rows there were.
    ///
    /// # Errors
    /// When the database does not answer; what was removed until then stays removed.
    pub async fn purge_records(&self) -> sqlx::Result<u64> {
        self.purge_records_at(BRISK).await
    }

    async fn purge_sessions_at(&self, pace: Pace) -> sqlx::Result<u64> {
        let before = self.now().before(KEPT_EXPIRED);
        pace.keep(|rows| sessions::purge(self.db(), before, rows))
            .await
    }

    async fn purge_records_at(&self, pace: Pace) -> sqlx::Result<u64> {
        let now = self.now();
        let before = now.before(KEPT_AUDIT_EVENTS);
        let tallies = pace.keep(|rows| tallies::purge(self.db(), now, rows));
        let tallies = tallies.await?;
        let events = pace.keep(|rows| audit::purge(self.db(), before, rows));
        Ok(tallies + events.await?)
    }
}

impl Pace {
    /// Removes batches until there is none left; how many rows there were.
    async fn keep<F>(self, remove: impl Fn(i64) -> F) -> sqlx::Result<u64>
    where
        F: Future<Output = sqlx::Result<u64>>,
    {
        let mut removed = 0;
        let begin = Instant::now();
        loop {
            let start = Instant::now();
            let batch = remove(self.rows_after(begin.elapsed())).await?;
            if batch == 0 {
                return Ok(removed);
            }
            removed += batch;
            tokio::time::sleep(self.rest_after(start.elapsed())).await;
        }
    }

    /// How many rows are removed at a time after so long without an end.
    fn rows_after(self, purging: Duration) -> i64 {
        let doublings = (purging.as_secs() / DOUBLING.as_secs()).min(16);
        (self.rows << doublings).min(self.most_rows)
    }

    fn rest_after(self, took: Duration) -> Duration {
        (took * self.rest).min(LONGEST_REST)
    }
}

/// Purges now and at every `interval`, whatever the database answers, and so that nobody
/// notices.
pub async fn keep_purging(gate: Gate, interval: Duration) -> Infallible {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        match gate.purge_sessions_at(GENTLE).await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "removed expired sessions"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
        if let Err(error) = gate.purge_records_at(GENTLE).await {
            tracing::warn!(%error, "old records could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_removed_in_larger_batches() {
        let rows_after = |seconds| GENTLE.rows_after(Duration::from_secs(seconds));
        assert_eq!((rows_after(0), rows_after(9)), (10, 10));
        assert_eq!((rows_after(10), rows_after(25)), (20, 40));
        assert_eq!((rows_after(60), rows_after(u64::MAX)), (500, 500));
        assert_eq!(BRISK.rows_after(Duration::ZERO), 500);
    }

    #[test]
    fn rests_nine_times_as_long_as_it_took_but_never_long() {
        let rest_after = |millis| GENTLE.rest_after(Duration::from_millis(millis));
        assert_eq!(rest_after(2), Duration::from_millis(18));
        assert_eq!(rest_after(5_000), LONGEST_REST);
        assert_eq!(BRISK.rest_after(Duration::from_secs(1)), Duration::ZERO);
    }
}
