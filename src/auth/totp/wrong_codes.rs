//! Wrong codes of somebody who knows the password: how many consecutive ones there may be, and who is told.

use super::{factor::Factor, store};
use crate::{
    auth::{
        account::credentials::Credentials,
        audit::{self, Action, Event, Reason},
        letters::letter::{Letter, Place, Recipient},
        throttle::Used,
        user::User,
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// A code that was wrong.
pub(super) struct WrongCode<'a> {
    pub user: &'a User,
    pub factor: &'a Factor,
    pub client: &'a Client,
    /// Of the limit that time lifts.
    pub used: Used,
    /// Consecutive wrong codes before it.
    pub failures: i64,
}

impl WrongCode<'_> {
    /// Records it, and the lockouts that it has caused.
    pub async fn record(
        &self,
        tx: &mut Tx,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (action, reason) = (Action::LogIn, Reason::WrongCode);
        let failed = Event::failure(action, reason, Some(self.user.id), self.client);
        let mut lock_outs = Vec::new();
        if self.used != Used::Some {
            lock_outs.push(failed.as_lock_out(Reason::CodeLimit));
        }
        if let Factor::Totp(_) = self.factor {
            store::add_failure(tx, self.user.id).await?;
        }
        if self.factor.is_locked_out(self.failures + 1) {
            lock_outs.push(failed.as_lock_out(Reason::CodesInARow));
        }
        if !lock_outs.is_empty() {
            self.tell_owner(tx, credentials, now).await?;
        }
        let events = [failed].into_iter().chain(lock_outs);
        Ok(audit::record(tx, now, events).await?)
    }

    /// Tells the owner of the account, at most once a day: somebody knows their password.
    async fn tell_owner(
        &self,
        tx: &mut Tx,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), Error> {
        let has_outbox = credentials.accounts.letters().outbox().is_some();
        let Some(to) = Recipient::of(self.user).filter(|_| has_outbox) else {
            return Ok(());
        };
        let daily = credentials.throttle.wrong_codes_notice(self.user.id);
        match daily.count_with(tx, now).await {
            Ok(_) => {}
            Err(Error::TooManyAttempts { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let Place { device, ip } = Place::of(self.client);
        let letter = Letter::WrongCodes {
            user_id: self.user.id,
            to,
            ip,
            device,
        };
        credentials.put_notice(tx, letter, now).await
    }
}
