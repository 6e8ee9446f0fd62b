//! When a session expires.

use std::time::Duration;

use crate::clock::Timestamp;

/// A use is recorded no more often than this, however long the idle timeout.
const MAX_TOUCH_INTERVAL: Duration = Duration::from_secs(60);

/// A visitor's session that is not used a second time expires after this long: a client that
/// keeps no cookie begins one with each request.
const UNUSED_VISITOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The two timeouts of a session, both enforced by the server (ASVS 7.3.1 and 7.3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub idle: Duration,
    pub absolute: Duration,
}

/// The times in a session's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    /// Written by the last use, or by an operator.
    pub expiry_date: Timestamp,
    /// No use moves the expiry beyond it.
    pub expires_at_latest: Option<Timestamp>,
}

impl Written {
    /// The last use; `noted` is one that may not be in the row yet.
    pub fn last_use(&self, noted: Option<Timestamp>) -> Timestamp {
        noted.map_or(self.last_seen_at, |noted| noted.max(self.last_seen_at))
    }

    /// When the session expires, unless it is used after `last_use`.
    pub fn expires_at(&self, timeouts: Timeouts, last_use: Timestamp) -> Timestamp {
        let expires_at = timeouts.expires_at(self.created_at, last_use);
        let latest = self.expires_at_latest.unwrap_or(expires_at);
        let expires_at = expires_at.min(latest);
        // A later use is about to replace the date.
        if last_use > self.last_seen_at {
            return expires_at;
        }
        expires_at.min(self.expiry_date)
    }
}

impl Timeouts {
    /// When the session expires, unless it is used before.
    pub fn expires_at(&self, created_at: Timestamp, last_seen_at: Timestamp) -> Timestamp {
        last_seen_at
            .after(self.idle)
            .min(created_at.after(self.absolute))
    }

    /// When a visitor's new session expires, unless it is used a second time.
    pub fn visitor_expires_at(&self, created_at: Timestamp) -> Timestamp {
        self.expires_at(created_at, created_at)
            .min(created_at.after(UNUSED_VISITOR))
    }

    /// A use at `now` is recorded if the last one was at this moment or before, so that the
    /// idle timeout slides.
    pub fn touch_due(&self, now: Timestamp) -> Timestamp {
        now.before(MAX_TOUCH_INTERVAL.min(self.idle / 10))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: time::OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    #[test]
    fn whichever_limit_comes_first_ends_a_session() {
        let start = Timestamp::from(START);
        let timeouts = Timeouts {
            idle: 30 * MINUTE,
            absolute: 100 * MINUTE,
        };
        assert_eq!(timeouts.expires_at(start, start), start.after(30 * MINUTE));
        let busy = start.after(90 * MINUTE);
        assert_eq!(timeouts.expires_at(start, busy), start.after(100 * MINUTE));
    }

    #[test]
    fn the_date_in_the_row_counts_until_the_next_use() {
        let start = Timestamp::from(START);
        let timeouts = Timeouts {
            idle: 30 * MINUTE,
            absolute: 100 * MINUTE,
        };
        let written = Written {
            created_at: start,
            last_seen_at: start,
            expiry_date: start.after(10 * MINUTE),
            expires_at_latest: None,
        };
        assert_eq!(written.last_use(None), start);
        let expires_at = |last_use| written.expires_at(timeouts, last_use);
        assert_eq!(expires_at(start), start.after(10 * MINUTE));
        let used = written.last_use(Some(start.after(5 * MINUTE)));
        assert_eq!(expires_at(used), start.after(35 * MINUTE));
        let later = Written {
            expiry_date: start.after(60 * MINUTE),
            ..written
        };
        assert_eq!(
            later.expires_at(timeouts, start),
            start.after(30 * MINUTE),
            "a shorter timeout holds"
        );
        let at_the_latest = Written {
            expires_at_latest: Some(start.after(10 * MINUTE)),
            ..written
        };
        let used = start.after(5 * MINUTE);
        let expires_at = at_the_latest.expires_at(timeouts, used);
        assert_eq!(expires_at, start.after(10 * MINUTE), "no use moves it");
    }

    #[test]
    fn a_visitor_who_never_returns_has_a_day() {
        let (start, day) = (Timestamp::from(START), 24 * 60 * MINUTE);
        let timeouts = |idle| Timeouts {
            idle,
            absolute: 30 * day,
        };
        let never = |idle| timeouts(idle).visitor_expires_at(start);
        assert_eq!(never(14 * day), start.after(day));
        assert_eq!(never(MINUTE), start.after(MINUTE));
    }

    #[test]
    fn a_touch_is_due_each_minute_or_tenth_of_a_short_timeout() {
        let start = Timestamp::from(START);
        let due_after = |idle| {
            let timeouts = Timeouts {
                idle,
                absolute: idle,
            };
            (0..=120).find(|second| {
                start <= timeouts.touch_due(start.after(Duration::from_secs(*second)))
            })
        };
        assert_eq!(due_after(24 * 60 * MINUTE), Some(60));
        assert_eq!(due_after(Duration::from_secs(50)), Some(5));
    }
}
