//! Removes rows that nobody will ask for any more.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use super::{Auth, audit, session, throttle};

/// A session that is over is still told from one that never was for so long.
const KEPT_EXPIRED: Duration = Duration::from_secs(60 * 60);
const KEPT_AUDIT_EVENTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The longest rest: where the time went into waiting for other writers, none is owed to them.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How much is removed at a time, and how long nothing is after it.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rows: i64,
    /// Times as long as the removing took.
    rest: u32,
}

/// For who waits for the end of it.
const BRISK: Pace = Pace { rows: 500, rest: 0 };
/// Beside requests: a core is gone for about a millisecond, and a tenth of the time.
const GENTLE: Pace = Pace { rows: 10, rest: 9 };

impl Auth {
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
        pace.keep(|| session::store::purge(self.db(), before, pace.rows))
            .await
    }

    async fn purge_records_at(&self, pace: Pace) -> sqlx::Result<u64> {
        let now = self.now();
        let before = now.before(KEPT_AUDIT_EVENTS);
        let tallies = pace.keep(|| throttle::store::purge(self.db(), now, pace.rows));
        let tallies = tallies.await?;
        let events = pace.keep(|| audit::purge(self.db(), before, pace.rows));
        Ok(tallies + events.await?)
    }
}

impl Pace {
    /// Removes batches until there is none left; how many rows there were.
    async fn keep<F>(self, remove: impl Fn() -> F) -> sqlx::Result<u64>
    where
        F: Future<Output = sqlx::Result<u64>>,
    {
        let mut removed = 0;
        loop {
            let start = Instant::now();
            let batch = remove().await?;
            if batch == 0 {
                return Ok(removed);
            }
            removed += batch;
            tokio::time::sleep(self.rest_after(start.elapsed())).await;
        }
    }

    fn rest_after(self, took: Duration) -> Duration {
        (took * self.rest).min(LONGEST_REST)
    }
}

/// Purges now and at every `interval`, whatever the database answers, and so that nobody
/// notices.
pub async fn keep_purging(auth: Auth, interval: Duration) -> Infallible {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        match auth.purge_sessions_at(GENTLE).await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "removed expired sessions"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
        if let Err(error) = auth.purge_records_at(GENTLE).await {
            tracing::warn!(%error, "old records could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_nine_times_as_long_as_it_took_but_never_long() {
        let rest_after = |millis| GENTLE.rest_after(Duration::from_millis(millis));
        assert_eq!(rest_after(2), Duration::from_millis(18));
        assert_eq!(rest_after(5_000), LONGEST_REST);
        assert_eq!(BRISK.rest_after(Duration::from_secs(1)), Duration::ZERO);
    }
}
