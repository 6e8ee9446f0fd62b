//! The last proof of who the user of a session is, and how long it counts.

use std::time::Duration;

use crate::clock::Timestamp;

/// The method of an account with a password.
const PASSWORD: &str = "password";
/// The method of one with a passkey.
const PASSKEY: &str = "passkey";

/// The second factor of one with an authenticator app.
const TOTP: &str = "totp";

/// The shortest time that a timestamp can tell apart.
const TICK: Duration = Duration::from_micros(1);

/// What a login has proved: one factor, such as a password, or two, as a passkey does that has
/// verified its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    One,
    Two,
}

/// When the user of a session last proved who they are, and what they can prove it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub authenticated_at: Timestamp,
    pub has_password: bool,
    pub has_passkey: bool,
    /// Whether one of the passkeys can be used here: passkeys are turned on, and it was added for this
    /// domain.
    pub has_usable_passkey: bool,
    /// Codes of an authenticator app.
    pub has_totp: bool,
    /// When a second factor was last given on the session.
    pub second_factor_at: Option<Timestamp>,
}

impl Proof {
    /// What the user can prove with who they are; nothing for an account without credentials.
    pub fn methods(self) -> Vec<&'static str> {
        let password = self.has_password.then_some(PASSWORD);
        let passkey = self.has_usable_passkey.then_some(PASSKEY);
        password.into_iter().chain(passkey).collect()
    }

    /// The last moment at which the proof counts, if it counts for as long as `window`.
    pub fn required_after(self, window: Duration, now: Timestamp) -> Timestamp {
        // The clocks of nodes differ, but a proof this far ahead is from before the clock was set
        // back: it must not count until the clock has caught up.
        if self.authenticated_at > now.after(window) {
            return now.before(TICK);
        }
        self.authenticated_at.after(window)
    }

    /// The second factors that the user can give.
    pub fn second_factors(self) -> Vec<&'static str> {
        second_factors(self.has_usable_passkey, self.has_totp)
    }

    /// Whether the user has a second factor. A passkey counts also where it cannot be used: to
    /// turn passkeys off, or to move the site, must not let anybody who knows the password add a second
    /// factor of their own.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub fn has_second_factor(self) -> bool {
        self.has_passkey || self.has_totp
    }

    /// Whether a second factor was given at most this long ago; on this session if none.
    pub fn has_second_factor_within(self, window: Option<Duration>, now: Timestamp) -> bool {
        self.second_factor_at.is_some_and(|at| match window {
            // One that is ahead of the clock by more than that is from before the clock was set back.
            Some(window) => now <= at.after(window) && at <= now.after(window),
            None => true,
        })
    }

    /// Whether the user has something to prove with who they are. A passkey counts also where it
    /// cannot be used: to turn passkeys off, or to move the site, must not let the thief of a session into
    /// the account.
    pub fn has_credentials(self) -> bool {
        self.has_password || self.has_passkey
    }

    /// Whether the user need not prove again who they are. One without credentials cannot.
    pub fn is_enough(self, window: Duration, now: Timestamp) -> bool {
        !self.has_credentials() || now <= self.required_after(window, now)
    }
}

/// The second factors of somebody who can use a passkey, codes, or both.
pub(crate) fn second_factors(passkey: bool, totp: bool) -> Vec<&'static str> {
    let passkey = passkey.then_some(PASSKEY);
    let totp = totp.then_some(TOTP);
    passkey.into_iter().chain(totp).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn proof(has_password: bool) -> Proof {
        Proof {
            authenticated_at: datetime!(2026-01-31 12:00 UTC).into(),
            has_password,
            has_passkey: false,
            has_usable_passkey: false,
            has_totp: false,
            second_factor_at: None,
        }
    }

    #[test]
    fn a_passkey_is_a_credential_like_a_password() {
        let unusable = Proof {
            has_passkey: true,
            ..proof(false)
        };
        let later = unusable.authenticated_at.after(10 * WINDOW);
        assert!(!unusable.is_enough(WINDOW, later));
        assert!(unusable.methods().is_empty());
        assert!(unusable.second_factors().is_empty());
        let usable = Proof {
            has_usable_passkey: true,
            ..unusable
        };
        assert_eq!(usable.methods(), ["passkey"]);
        assert_eq!(usable.second_factors(), ["passkey"]);
        let both = Proof {
            has_password: true,
            ..usable
        };
        assert_eq!(both.methods(), ["password", "passkey"]);
    }

    #[test]
    fn a_proof_counts_to_the_end_of_the_window_to_the_microsecond() {
        let proof = proof(true);
        let last = proof.authenticated_at.after(WINDOW);
        assert!(proof.is_enough(WINDOW, proof.authenticated_at));
        assert!(proof.is_enough(WINDOW, last));
        assert!(!proof.is_enough(WINDOW, last.after(TICK)));
        assert_eq!(proof.required_after(WINDOW, last), last);
    }

    #[test]
    fn clocks_of_nodes_may_differ_but_one_that_is_set_back_prolongs_no_proof() {
        let proof = proof(true);
        let other_node = proof.authenticated_at.before(Duration::from_secs(2));
        assert!(proof.is_enough(WINDOW, other_node));
        let set_back = proof.authenticated_at.before(WINDOW).before(TICK);
        assert!(!proof.is_enough(WINDOW, set_back));
        assert!(proof.required_after(WINDOW, set_back) < set_back);
    }

    #[test]
    fn a_second_factor_counts_for_the_session_or_for_a_window() {
        let nothing = proof(true);
        let now = nothing.authenticated_at;
        assert!(!nothing.has_second_factor_within(None, now));
        let given = Proof {
            second_factor_at: Some(now),
            ..nothing
        };
        let within = |now| given.has_second_factor_within(Some(WINDOW), now);
        let later = now.after(WINDOW);
        assert!(within(now) && within(later) && within(now.before(TICK)));
        assert!(!within(later.after(TICK)));
        assert!(!within(now.before(WINDOW).before(TICK)), "set back");
        assert!(given.has_second_factor_within(None, later.after(WINDOW)));
    }

    #[test]
    fn an_account_without_credentials_is_never_asked() {
        let proof = proof(false);
        let later = proof.authenticated_at.after(10 * WINDOW);
        assert!(proof.is_enough(WINDOW, later));
        assert!(proof.methods().is_empty());
    }
}
