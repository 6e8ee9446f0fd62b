//! The arithmetic of rate limits: when an attempt is allowed, and how long to wait.

use std::time::Duration;

use super::RateLimit;
use super::store::Tally;
use crate::clock::Timestamp;

/// How often the wait doubles past the limit, with each failure.
const MAX_DOUBLINGS: u32 = 2;

/// What a count belongs to, which decides how it continues past its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A client address: its count starts over when the window ends.
    Address,
    /// An account, from any address: past the limit one attempt after a window's lockout, and
    /// each further lockout is longer; a window without an attempt clears the count. Addresses
    /// that have not failed at it lately wait half as long, so that one that keeps trying is not
    /// always first.
    Account,
    /// An address that has failed at an account lately.
    FailedAddress,
    /// An account from an address that it was logged in from: counted like an account, but
    /// separately from other addresses.
    KnownAddress,
    /// The codes of an account, counted like an account, but no address comes before another.
    #[cfg_attr(
        not(any(test, feature = "totp")),
        expect(dead_code, reason = "only a second factor has codes")
    )]
    Codes,
}

impl Scope {
    /// Whether a success clears it.
    pub fn is_of_failures(self) -> bool {
        matches!(self, Self::Account | Self::FailedAddress | Self::Codes)
    }
}

/// One count that an attempt adds to.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub key: String,
    pub limit: RateLimit,
    pub scope: Scope,
}

/// Where the attempt comes from, as the account knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// The account was logged in from it.
    Known,
    /// It has failed at the account lately.
    Failed,
    /// Neither, or the address is unknown.
    New,
}

/// How long an attempt has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub Duration);

impl Counted {
    pub fn new(key: String, limit: RateLimit, scope: Scope) -> Self {
        Self { key, limit, scope }
    }

    /// The tally after one more attempt.
    pub fn next(&self, tally: Tally, by: Address, now: Timestamp) -> Result<Tally, Wait> {
        let RateLimit { count, window } = self.limit;
        let current = if now < tally.window_from.after(window) {
            tally
        } else {
            Tally::new(now, tally.expires_at)
        };
        if let Some(until) = current.blocked_until {
            let until = match (self.scope, by) {
                (Scope::Account, Address::New) => until.before(self.wait(current.count) / 2),
                _ => until,
            };
            if now < until {
                return Err(Wait(until.since(now)));
            }
        }
        let made = current.count + 1;
        let is_past = made >= i64::from(count);
        let (window_from, blocked_until) = match (self.scope, is_past) {
            // A failed address is marked, not counted.
            (Scope::FailedAddress, _) => (now, None),
            (Scope::Address, false) => (current.window_from, None),
            (Scope::Address, true) => {
                let end = current.window_from.after(window);
                (current.window_from, Some(end))
            }
            (Scope::Account | Scope::KnownAddress | Scope::Codes, false) => (now, None),
            (Scope::Account | Scope::KnownAddress | Scope::Codes, true) => {
                let end = now.after(self.wait(made));
                (end, Some(end))
            }
        };
        Ok(Tally {
            count: made,
            window_from,
            blocked_until,
            // Known addresses outlast every count.
            expires_at: tally.expires_at.max(window_from.after(window)),
        })
    }

    /// The tally, cut to what it can be by now. After the clock was set back it may lie further
    /// ahead than the longest lockout, and would last until the clock has caught up.
    pub fn settled(&self, tally: Tally, now: Timestamp) -> Tally {
        let (window_from, blocked_until) = match (self.scope, tally.blocked_until) {
            (Scope::Account | Scope::KnownAddress | Scope::Codes, Some(until)) => {
                let latest = now.after(self.wait(tally.count));
                (latest, Some(until.min(latest)))
            }
            (_, until) => {
                let latest = now.after(self.limit.window);
                (now, until.map(|until| until.min(latest)))
            }
        };
        Tally {
            window_from: tally.window_from.min(window_from),
            blocked_until,
            ..tally
        }
    }

    /// The lockout after `count` attempts, past the limit.
    fn wait(&self, made: i64) -> Duration {
        let past = u32::try_from(made - i64::from(self.limit.count)).unwrap_or(0);
        self.limit.window * (1 << past.min(MAX_DOUBLINGS))
    }

    fn longest_wait(&self) -> Duration {
        self.limit.window * (1 << MAX_DOUBLINGS)
    }

    /// The tally less one attempt that was counted and then did not fail, which had begun the lockout
    /// `until`, if it began one.
    pub fn less_one(&self, tally: Tally, until: Option<Timestamp>) -> Tally {
        let count = (tally.count - 1).max(0);
        // An account past its limit is locked out by its last attempt.
        let is_own = self.scope != Scope::Address && tally.blocked_until == until;
        let is_blocked = count >= i64::from(self.limit.count) && !is_own;
        Tally {
            count,
            blocked_until: tally.blocked_until.filter(|_| is_blocked),
            ..tally
        }
    }

    /// The tally of an address that has failed just now.
    pub fn mark(&self, now: Timestamp) -> Tally {
        Tally {
            count: 1,
            ..Tally::new(now, now.after(2 * self.longest_wait()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn start() -> Timestamp {
        Timestamp::from(datetime!(2026-01-01 00:00 UTC))
    }

    fn counted(scope: Scope) -> Counted {
        let limit = RateLimit {
            count: 3,
            window: 10 * MINUTE,
        };
        Counted {
            key: String::new(),
            limit,
            scope,
        }
    }

    /// The tally after so many attempts at `now`.
    fn after(counted: &Counted, attempts: u32, now: Timestamp) -> Tally {
        (0..attempts).fold(Tally::new(now, now), |tally, _| {
            let unblocked = Tally {
                blocked_until: None,
                ..tally
            };
            counted.next(unblocked, Address::Failed, now).unwrap()
        })
    }

    #[test]
    fn an_address_waits_for_the_end_of_its_window_and_begins_anew() {
        let address = counted(Scope::Address);
        let tally = after(&address, 3, start());
        let later = start().after(4 * MINUTE);
        assert_eq!(
            address.next(tally, Address::New, later),
            Err(Wait(6 * MINUTE))
        );
        let over = start().after(10 * MINUTE);
        assert_eq!(address.next(tally, Address::New, over).unwrap().count, 1);
    }

    #[test]
    fn an_account_waits_longer_each_time_and_forgets_after_a_quiet_window() {
        let account = counted(Scope::Account);
        let mut tally = after(&account, 3, start());
        let mut now = start();
        for minutes in [10, 20, 40, 40] {
            assert_eq!(
                account.next(tally, Address::Failed, now),
                Err(Wait(minutes * MINUTE))
            );
            now = now.after(minutes * MINUTE);
            tally = account.next(tally, Address::Failed, now).unwrap();
        }
        let quiet = tally.blocked_until.unwrap().after(10 * MINUTE);
        assert_eq!(
            account.next(tally, Address::Failed, quiet).unwrap().count,
            1
        );
    }

    #[test]
    fn who_has_not_failed_comes_before_who_keeps_trying() {
        let account = counted(Scope::Account);
        let tally = after(&account, 4, start());
        let half = start().after(10 * MINUTE);
        let (stranger, attacker) = (Address::New, Address::Failed);
        assert_eq!(
            account.next(tally, stranger, start()),
            Err(Wait(10 * MINUTE))
        );
        assert!(account.next(tally, stranger, half).is_ok());
        assert_eq!(account.next(tally, attacker, half), Err(Wait(10 * MINUTE)));
        // Who tries codes knows the password.
        let codes = counted(Scope::Codes);
        assert_eq!(codes.next(tally, stranger, half), Err(Wait(10 * MINUTE)));
    }

    #[test]
    fn what_has_not_failed_is_given_back() {
        let address = counted(Scope::Address);
        let full = after(&address, 3, start());
        let less = address.less_one(full, full.blocked_until);
        assert_eq!(less.count, 2);
        assert_eq!(address.next(less, Address::New, start()).unwrap().count, 3);
    }

    #[test]
    fn an_attempt_past_the_limit_that_is_taken_back_leaves_another() {
        let account = counted(Scope::Account);
        let full = after(&account, 3, start());
        let tally = account.less_one(full, full.blocked_until);
        assert!(account.next(tally, Address::Failed, start()).is_ok());
        // One that has not begun the lockout leaves it, unless there is none without it.
        let past = account.less_one(after(&account, 4, start()), None);
        assert!(account.next(past, Address::Failed, start()).is_err());
        let within = account.less_one(full, None);
        assert!(account.next(within, Address::Failed, start()).is_ok());
    }

    #[test]
    fn a_clock_set_back_leaves_no_more_than_the_longest_wait() {
        let before = Timestamp::from(datetime!(2025-12-31 00:00 UTC));
        for (scope, wait) in [
            (Scope::Address, 10 * MINUTE),
            (Scope::Account, 10 * MINUTE),
            (Scope::KnownAddress, 10 * MINUTE),
            (Scope::Codes, 10 * MINUTE),
        ] {
            let counted = counted(scope);
            let tally = after(&counted, 3, start());
            assert_eq!(counted.settled(tally, start()), tally, "{scope:?}");
            let settled = counted.settled(tally, before);
            let waits = |now| counted.next(settled, Address::Failed, now);
            assert_eq!(waits(before), Err(Wait(wait)), "{scope:?}");
            assert!(waits(before.after(wait)).is_ok(), "{scope:?}");
        }
        // Nor does a window that has yet to begin go on until then.
        let address = counted(Scope::Address);
        let settled = address.settled(after(&address, 2, start()), before);
        let over = before.after(10 * MINUTE);
        assert_eq!(address.next(settled, Address::New, over).unwrap().count, 1);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_longest(
            moves in prop::collection::vec(-5000i64..5000, 1..40),
            scope in prop::sample::select(vec![
                Scope::Address, Scope::Account, Scope::KnownAddress, Scope::Codes,
            ]),
        ) {
            let counted = counted(scope);
            let (mut now, mut tally) = (start(), Tally::new(start(), start()));
            for seconds in moves {
                let by = Duration::from_secs(seconds.unsigned_abs());
                now = if seconds < 0 { now.before(by) } else { now.after(by) };
                tally = counted.settled(tally, now);
                prop_assert_eq!(counted.settled(tally, now), tally);
                match counted.next(tally, Address::Failed, now) {
                    Ok(next) => {
                        prop_assert_eq!(counted.settled(next, now), next);
                        tally = next;
                    }
                    Err(Wait(wait)) => prop_assert!(wait <= counted.longest_wait()),
                }
            }
        }

        #[test]
        fn no_window_sees_more_attempts_of_an_account_than_its_limit(
            pauses in prop::collection::vec(0u64..1200, 1..60),
        ) {
            let account = counted(Scope::Account);
            let (mut now, mut tally) = (start(), Tally::new(start(), start()));
            let mut made = Vec::new();
            for pause in pauses {
                now = now.after(Duration::from_secs(pause));
                if let Ok(next) = account.next(tally, Address::Failed, now) {
                    tally = next;
                    made.push(now);
                }
            }
            for at in &made {
                let within = made.iter().filter(|other| {
                    **other >= *at && other.since(*at) < account.limit.window
                });
                prop_assert!(within.count() <= 3);
            }
        }
    }
}
