//! Removes rows that are no longer needed.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

#[cfg(feature = "passkeys")]
use super::passkey;
#[cfg(feature = "totp")]
use super::totp;
use super::{audit, session, statistics::Count, throttle, tokens, user};
use crate::{
    clock::{Clock, Timestamp},
    db::Db,
};

/// How long an expired session is told apart from an unknown one.
const KEPT_EXPIRED: Duration = Duration::from_secs(60 * 60);
const KEPT_AUDIT_EVENTS: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A sign-up whose address was not verified by then, where it has to be, gives its username free. Its
/// user may have lost the link and the password.
const KEPT_UNVERIFIED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const DOUBLING: Duration = Duration::from_secs(10);

/// The longest pause: time spent waiting for other writers need not be repaid to them.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How much is removed at a time, and how long the pauses are.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rows: i64,
    /// With a backlog the batches double every [`DOUBLING`], up to this many rows.
    most_rows: i64,
    /// The pause after a batch, as a multiple of the time that the batch took.
    rest: u32,
}

/// For a caller that waits for the end.
const BRISK: Pace = Pace {
    rows: 500,
    most_rows: 500,
    rest: 0,
};
/// Beside requests: takes a core for about a millisecond, and a tenth of the time. Where visitors
/// add rows faster than that, each batch also waits for their writes; larger batches remove more
/// than the writes between two of them can add.
const GENTLE: Pace = Pace {
    rows: 10,
    most_rows: 500,
    rest: 9,
};

/// Removes every session that expired over an hour ago; returns how many, and adds them to `count`.
pub(crate) async fn sessions(db: &Db, now: Timestamp, count: &Count) -> sqlx::Result<u64> {
    sessions_at(BRISK, db, now, count).await
}

/// Removes counts of attempts that no longer matter, old audit events, and what has expired: tokens of
/// links, sign-ups that were never verified, logins that wait for a code, challenges; returns how many.
pub(crate) async fn records(db: &Db, now: Timestamp, count: &Count) -> sqlx::Result<u64> {
    records_at(BRISK, db, now, count).await
}

async fn sessions_at(pace: Pace, db: &Db, now: Timestamp, count: &Count) -> sqlx::Result<u64> {
    let before = now.before(KEPT_EXPIRED);
    let remove = |rows: i64| {
        db.write((before, rows), |&(before, rows), tx| {
            Box::pin(session::store::purge(tx, before, rows))
        })
    };
    pace.keep(count, remove).await
}

async fn records_at(pace: Pace, db: &Db, now: Timestamp, count: &Count) -> sqlx::Result<u64> {
    let before = now.before(KEPT_AUDIT_EVENTS);
    let counts = pace.keep(count, |rows| {
        db.write((now, rows), |&(now, rows), tx| {
            Box::pin(throttle::store::purge(tx, now, rows))
        })
    });
    let counts = counts.await?;
    let events = pace.keep(count, |rows| {
        db.write((before, rows), |&(before, rows), tx| {
            Box::pin(audit::store::purge(tx, before, rows))
        })
    });
    let events = events.await?;
    let tokens = pace.keep(count, |rows| {
        db.write((now, rows), |&(now, rows), tx| {
            Box::pin(tokens::store::purge(tx, now, rows))
        })
    });
    let removed = counts + events + tokens.await?;
    #[cfg(feature = "totp")]
    let removed = {
        let half_logins = pace.keep(count, |rows| {
            db.write((now, rows), |&(now, rows), tx| {
                Box::pin(totp::store::purge(tx, now, rows))
            })
        });
        removed + half_logins.await?
    };
    #[cfg(feature = "passkeys")]
    let removed = {
        let challenges = pace.keep(count, |rows| {
            db.write((now, rows), |&(now, rows), tx| {
                Box::pin(passkey::store::purge(tx, now, rows))
            })
        });
        removed + challenges.await?
    };
    let before = now.before(KEPT_UNVERIFIED);
    let sign_ups = pace.keep(count, |rows| {
        db.write((before, rows), |&(before, rows), tx| {
            Box::pin(user::store::purge_unverified(tx, before, rows))
        })
    });
    Ok(removed + sign_ups.await?)
}

impl Pace {
    /// Removes batches until no row is left; returns how many rows, and adds each batch to `count`.
    async fn keep<F>(self, count: &Count, remove: impl Fn(i64) -> F) -> sqlx::Result<u64>
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
            count.add(batch);
            tokio::time::sleep(self.rest_after(start.elapsed())).await;
        }
    }

    /// The size of a batch once the purge has run for this long.
    fn rows_after(self, purging: Duration) -> i64 {
        let doublings = (purging.as_secs() / DOUBLING.as_secs()).min(16);
        (self.rows << doublings).min(self.most_rows)
    }

    fn rest_after(self, took: Duration) -> Duration {
        (took * self.rest).min(LONGEST_REST)
    }
}

/// Purges now and at every `interval`, also after errors, without slowing requests.
pub(crate) async fn keep(db: &Db, clock: &Clock, interval: Duration, count: &Count) -> Infallible {
    let mut interval = tokio::time::interval(interval);
    loop {
        interval.tick().await;
        match sessions_at(GENTLE, db, clock.now(), count).await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "removed expired sessions"),
            Err(error) => tracing::warn!(%error, "expired sessions could not be removed"),
        }
        if let Err(error) = records_at(GENTLE, db, clock.now(), count).await {
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
