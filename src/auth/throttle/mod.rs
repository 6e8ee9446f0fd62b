//! Rate limits, so that guessing gets slow (ASVS 6.3.1, NIST SP 800-63B-4 3.2.2).

mod address_limit;
pub(crate) mod counter;
mod keys;
#[cfg(feature = "passkeys")]
mod passkey;
pub(crate) mod places;
pub mod rate_limit;
#[cfg(feature = "totp")]
mod second_factor;
pub(crate) mod store;
mod take_back;

pub use address_limit::AddressLimit;
pub(crate) use keys::network;
pub(crate) use rate_limit::RateLimit;
#[cfg(feature = "totp")]
pub(crate) use second_factor::forget_codes;

use std::{net::IpAddr, time::Duration};

use uuid::Uuid;

use self::{
    counter::{Address, Counted, Scope, Wait},
    keys::{account_key, mail_key},
    store::Tally,
    take_back::Raised,
};
use super::{throttle, user::email::Email};
use crate::{
    clock::Timestamp,
    db::{Db, Tx},
    http::Error,
};

/// How long an address that an account was logged in from is known to it: guesses made elsewhere
/// do not lock its owner out there. Ninety days, and the one in which it is not written again.
const KNOWN_ADDRESS: Duration = Duration::from_secs(91 * 24 * 60 * 60);
const KNOWN_ADDRESS_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Attempted sign-ups for each that may succeed: taken names and weak passwords cost work, too.
const TRIES_PER_SIGNUP: u32 = 5;

/// The rate limits of logins and sign-ups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Throttle {
    pub per_account: Option<RateLimit>,
    pub per_address: Option<RateLimit>,
    pub signups: Option<RateLimit>,
    pub mails_per_account: Option<RateLimit>,
    pub mails_per_address: Option<RateLimit>,
}

/// A rate-limited attempt, and every count that it adds to.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    counts: Vec<Counted>,
    by: Address,
    /// The account has known the address for less than a day.
    is_lately_known: bool,
    /// Failures are held against the account, as far as is known.
    has_failures: bool,
    /// What it has added to when it was counted.
    raised: Vec<Raised>,
}

/// Mails to one address that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mails {
    /// Anybody can have them sent.
    OfAnybody,
    /// Only somebody who is logged in, or has the right password.
    OfItsUser,
    /// Notices of this kind, which nobody has requested: many of one kind hide none of another.
    Notices(&'static str),
}

/// What an attempt has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// There may be another.
    Some,
    /// It was the last of its account for now, unless it succeeds.
    LastOfAccount,
    /// It was the last of its address for now, unless it succeeds.
    LastOfAddress,
}

impl Throttle {
    /// A login by this name, whether the account exists or not.
    pub fn log_in(&self, name: &str, ip: Option<IpAddr>) -> Attempt {
        let mut counts = Vec::new();
        if let (Some(limit), Some(ip)) = (self.per_address, ip) {
            let key = format!("log-in from {}", network(ip));
            counts.push(Counted::new(key, limit, Scope::Address));
        }
        if let Some(limit) = self.per_account {
            let account = account_key(name);
            if let Some(ip) = ip.map(network) {
                let known = format!("{account} known at {ip}");
                counts.push(Counted::new(known, limit, Scope::KnownAddress));
                let failed = format!("{account} failed at {ip}");
                counts.push(Counted::new(failed, limit, Scope::FailedAddress));
            }
            counts.push(Counted::new(account, limit, Scope::Account));
        }
        Attempt::new(counts)
    }

    /// A password change, which verifies the current password.
    pub fn password_change(&self, session_id: Uuid) -> Attempt {
        let key = format!("password on {session_id}");
        let counted = |limit| Counted::new(key, limit, Scope::Account);
        Attempt::new(self.per_account.map(counted).into_iter().collect())
    }

    /// A sign-up, to be counted when it succeeds.
    pub fn sign_up(&self, ip: Option<IpAddr>) -> Attempt {
        let counted = self.signups.zip(ip).map(|(limit, ip)| {
            let key = format!("sign-up from {}", network(ip));
            Counted::new(key, limit, Scope::Address)
        });
        Attempt::new(counted.into_iter().collect())
    }

    /// A mail to an e-mail address, whether it has an account or not, that a client has requested,
    /// perhaps as the user `by`. What users cause for themselves counts apart from what anybody can,
    /// so that neither stops the other or shows that it was there.
    pub fn mail(
        &self,
        mails: Mails,
        email: &Email,
        by: Option<Uuid>,
        ip: Option<IpAddr>,
    ) -> Attempt {
        let by = by.map(|user_id| format!("mail by {user_id}"));
        let accounts = [Some(mail_key(mails, email)), by].into_iter().flatten();
        let accounts = accounts.map(|key| (self.mails_per_account, key));
        let address = ip.map(|ip| (self.mails_per_address, format!("mail from {}", network(ip))));
        let counts = accounts
            .chain(address)
            .filter_map(|(limit, key)| Some(Counted::new(key, limit?, Scope::Address)));
        Attempt::new(counts.collect())
    }

    /// An attempted sign-up, to be counted before any work is done for it.
    pub fn sign_up_try(&self, ip: Option<IpAddr>) -> Attempt {
        let counted = self.signups.zip(ip).map(|(limit, ip)| {
            let key = format!("sign-up tried from {}", network(ip));
            let count = limit.count.saturating_mul(TRIES_PER_SIGNUP);
            Counted::new(key, RateLimit { count, ..limit }, Scope::Address)
        });
        Attempt::new(counted.into_iter().collect())
    }
}

impl Attempt {
    pub fn new(counts: Vec<Counted>) -> Self {
        Self {
            counts,
            by: Address::New,
            is_lately_known: false,
            has_failures: true,
            raised: Vec::new(),
        }
    }

    /// Checks whether the attempt must wait, before any work is spent on it.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it must.
    pub async fn check(&mut self, db: &Db, now: Timestamp) -> Result<(), Error> {
        let keys: Vec<&str> = self.counts.iter().map(|counted| &*counted.key).collect();
        let mut tallies = throttle::store::find(db, &keys).await?;
        if self.settle(&mut tallies, now) {
            self.put_settled(db, now).await?;
        }
        let tally_of = |counted: &Counted| {
            let tally = tallies.iter().find(|(key, _)| *key == counted.key);
            tally.map(|(_, tally)| *tally)
        };
        let is_kept = |scope| {
            self.counts.iter().any(|counted| {
                let is_kept = |tally: Tally| now < tally.expires_at;
                counted.scope == scope && tally_of(counted).is_some_and(is_kept)
            })
        };
        self.by = if is_kept(Scope::KnownAddress) {
            Address::Known
        } else if is_kept(Scope::FailedAddress) {
            Address::Failed
        } else {
            Address::New
        };
        self.is_lately_known = self.counts.iter().any(|counted| {
            let is_lately = |tally: Tally| tally.count == 0 && tally.expires_at >= known_again(now);
            counted.scope == Scope::KnownAddress && tally_of(counted).is_some_and(is_lately)
        });
        self.has_failures = self
            .counts
            .iter()
            .any(|counted| counted.scope.is_of_failures() && tally_of(counted).is_some());
        for counted in self
            .counts
            .iter()
            .filter(|counted| self.is_decided_by(counted))
        {
            if let Some(tally) = tally_of(counted) {
                counted.next(tally, self.by, now)?;
            }
        }
        Ok(())
    }

    /// Counts the attempt as failed until it has succeeded, so that concurrent ones all count.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it must wait; nothing is counted then.
    pub async fn count(&mut self, db: &Db, now: Timestamp) -> Result<Used, Error> {
        if self.counts.is_empty() {
            return Ok(Used::Some);
        }
        let count = db.write((self.clone(), now), |(attempt, now), tx| {
            Box::pin(attempt.raise(tx, *now))
        });
        let (used, raised) = count.await?;
        self.raised = raised;
        Ok(used)
    }

    /// As [`Attempt::count`], in the transaction of what is attempted: to be rolled back when this
    /// is refused.
    pub async fn count_with(&self, tx: &mut Tx, now: Timestamp) -> Result<Used, Error> {
        let (used, _) = self.raise(tx, now).await?;
        Ok(used)
    }

    async fn raise(&self, tx: &mut Tx, now: Timestamp) -> Result<(Used, Vec<Raised>), Error> {
        let is_counted = |counted: &&Counted| match counted.scope {
            Scope::Address | Scope::Account | Scope::Codes => true,
            Scope::KnownAddress => self.by == Address::Known,
            Scope::FailedAddress => false,
        };
        let mut used = Used::Some;
        let (mut tallies, mut raised) = (Vec::new(), Vec::new());
        for (counted, tally) in self.lock(tx, is_counted, now).await? {
            let is_decisive = self.is_decided_by(counted);
            match counted.next(counted.settled(tally, now), self.by, now) {
                Ok(next) => {
                    if is_decisive && next.blocked_until.is_some() {
                        used = match counted.scope {
                            Scope::Address => Used::LastOfAddress,
                            _ => Used::LastOfAccount,
                        };
                    }
                    raised.push(Raised::new(counted, next));
                    tallies.push((&*counted.key, next));
                }
                Err(wait) if is_decisive => return Err(wait.into()),
                // Everybody else's attempts are used up; a known address has its own.
                Err(_) => {}
            }
        }
        throttle::store::put(tx, &tallies).await?;
        Ok((used, raised))
    }

    /// Takes back an attempt that succeeded: the account's count is cleared, and the address is
    /// known to it from now on.
    pub async fn succeed(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        let is_address = |counted: &&Counted| counted.scope == Scope::Address;
        let tallies = self.lock(tx, is_address, now).await?.into_iter();
        let less_one =
            tallies.map(|(counted, tally)| (&*counted.key, counted.less_one(tally, None)));
        self.make_known(tx, now, less_one.collect()).await?;
        self.clear(tx).await
    }

    /// The counts of a kind with their tallies, locked until the transaction ends.
    async fn lock(
        &self,
        tx: &mut Tx,
        is_wanted: impl Fn(&&Counted) -> bool,
        now: Timestamp,
    ) -> sqlx::Result<Vec<(&Counted, Tally)>> {
        let wanted: Vec<&Counted> = self.counts.iter().filter(is_wanted).collect();
        let keys: Vec<&str> = wanted.iter().map(|counted| &*counted.key).collect();
        let tallies = throttle::store::lock(tx, &keys, now).await?;
        let tally_of = |counted: &Counted| {
            let tally = tallies.iter().find(|(key, _)| *key == counted.key);
            // Each was created if it was not there.
            tally.map_or_else(|| Tally::new(now, now), |(_, tally)| *tally)
        };
        Ok(wanted
            .into_iter()
            .map(|counted| (counted, tally_of(counted)))
            .collect())
    }

    /// Clears the account's count and makes the address known to it, after a login that was not
    /// counted as an attempt. What [`Attempt::check`] found to be so already is not written.
    pub async fn welcome(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        if !self.is_lately_known {
            self.make_known(tx, now, Vec::new()).await?;
        }
        if self.has_failures {
            self.clear(tx).await?;
        }
        Ok(())
    }

    /// Stores `tallies`, and one that makes the address known.
    async fn make_known(
        &self,
        tx: &mut Tx,
        now: Timestamp,
        mut tallies: Vec<(&str, Tally)>,
    ) -> Result<(), Error> {
        let known = Tally::new(now, now.after(KNOWN_ADDRESS));
        for counted in &self.counts {
            if counted.scope == Scope::KnownAddress {
                tallies.push((&counted.key, known));
            }
        }
        Ok(throttle::store::put(tx, &tallies).await?)
    }

    async fn clear(&self, tx: &mut Tx) -> Result<(), Error> {
        let failures = self.counts.iter();
        let failures = failures.filter(|counted| counted.scope.is_of_failures());
        let keys: Vec<&str> = failures.map(|counted| &*counted.key).collect();
        Ok(throttle::store::delete(tx, &keys).await?)
    }

    /// Cuts tallies that a clock set back has left too far ahead; returns whether there were any.
    fn settle(&self, tallies: &mut [(String, Tally)], now: Timestamp) -> bool {
        let mut is_changed = false;
        for (key, tally) in tallies {
            if let Some(counted) = self.counts.iter().find(|counted| counted.key == *key) {
                let settled = counted.settled(*tally, now);
                is_changed |= settled != *tally;
                *tally = settled;
            }
        }
        is_changed
    }

    /// Stores the cut tallies: otherwise every lockout would start over until the clock has caught
    /// up.
    async fn put_settled(&self, db: &Db, now: Timestamp) -> Result<(), Error> {
        let put = db.write((self.clone(), now), |(attempt, now), tx| {
            Box::pin(async move {
                let tallies = attempt.lock(tx, |_| true, *now).await?.into_iter();
                let settled =
                    tallies.map(|(counted, tally)| (&*counted.key, counted.settled(tally, *now)));
                throttle::store::put(tx, &settled.collect::<Vec<_>>()).await
            })
        });
        Ok(put.await?)
    }

    /// Where the address is known to the account, its own count decides, not the account's.
    fn is_decided_by(&self, counted: &Counted) -> bool {
        match counted.scope {
            Scope::Address | Scope::Codes => true,
            Scope::Account => self.by != Address::Known,
            Scope::KnownAddress => self.by == Address::Known,
            Scope::FailedAddress => false,
        }
    }
}

impl From<Wait> for Error {
    fn from(Wait(retry_after): Wait) -> Self {
        Self::TooManyAttempts { retry_after }
    }
}

/// When the row of an address that was made known a day ago expires.
fn known_again(now: Timestamp) -> Timestamp {
    now.after(KNOWN_ADDRESS - KNOWN_ADDRESS_AGAIN)
}

/// Clears an account's counts and known addresses, as its password has changed.
pub(crate) async fn forget_log_ins(tx: &mut Tx, username: &str) -> sqlx::Result<()> {
    throttle::store::delete_all(tx, &account_key(username)).await
}
