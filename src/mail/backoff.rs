//! When a mail is tried again.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// The wait after the first time; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// So that mails are sent soon after a mail server's return.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A mail that was not sent by then is given up: its recipient has asked again.
pub(crate) const GIVEN_UP_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a mail waits after it was deferred this many times. `jitter` is from 0 to 1: mails that
/// failed together do not come together again.
pub(super) fn wait_after(deferrals: i64, jitter: f64) -> Duration {
    doubled(FIRST_WAIT, deferrals, LONGEST_WAIT).mul_f64(1.0 - jitter / 4.0)
}

/// How long all mails wait after the mail server was not available so many times in a row.
pub(super) fn pause_after(failures: i64, jitter: f64) -> Duration {
    doubled(SECOND, failures, LONGEST_PAUSE).mul_f64(1.0 - jitter / 4.0)
}

/// Whether a mail of this age is given up.
pub(super) fn is_given_up(age: Duration) -> bool {
    age >= GIVEN_UP_AFTER
}

fn doubled(first: Duration, times: i64, longest: Duration) -> Duration {
    let doublings = times.saturating_sub(1).clamp(0, 16);
    (first * (1_u32 << doublings)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_waits_ever_longer_up_to_an_hour() {
        let wait = |deferrals| wait_after(deferrals, 0.0).as_secs();
        assert_eq!((wait(1), wait(2), wait(5)), (10, 20, 160));
        assert_eq!((wait(9), wait(10), wait(i64::MAX)), (2_560, 3_600, 3_600));
        assert_eq!(wait_after(1, 1.0), Duration::from_millis(7_500));
    }

    #[test]
    fn all_mails_wait_seconds_at_most() {
        let pause = |failures| pause_after(failures, 0.0).as_secs();
        assert_eq!((pause(1), pause(2), pause(4), pause(1_000)), (1, 2, 8, 8));
    }

    #[test]
    fn a_day_is_enough() {
        let hour = Duration::from_secs(60 * 60);
        assert!(!is_given_up(23 * hour) && is_given_up(24 * hour));
    }
}
