//! Signing up.

use uuid::Uuid;

use super::{
    Application,
    credentials::{Credentials, origin},
};
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::Letter,
        throttle::{Attempt, Mails, Used},
        user::{NewAccount, User},
    },
    db::Tx,
    http::{Client, Error},
};

/// An account that may be inserted.
#[derive(Debug)]
pub(crate) struct Admitted {
    account: NewAccount,
    attempt: Attempt,
    /// The mail with the link that verifies the address.
    mail: Attempt,
}

impl Credentials {
    /// Counts that somebody tries to sign up, then checks what they sent and hashes the password.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] before any work; as [`Accounts::check`] else.
    pub async fn admit(
        &self,
        application: Application,
        client: &Client,
    ) -> Result<Admitted, Error> {
        let mut attempt = self.throttle.sign_up(client.ip);
        attempt.check(self.db(), self.now()).await?;
        let mut tried = self.throttle.sign_up_try(client.ip);
        tried.check(self.db(), self.now()).await?;
        self.count_sign_up_try(tried, client).await?;
        let account = self.accounts.check(application, origin(client)).await?;
        let mail = self.check_mail_of_sign_up(&account, client).await?;
        Ok(Admitted {
            account,
            attempt,
            mail,
        })
    }

    async fn count_sign_up_try(&self, tried: Attempt, client: &Client) -> Result<(), Error> {
        let lock_out = sign_up_lock_out(None, client);
        let count = (tried, lock_out, self.now());
        let count = self.db().write(count, |(tried, lock_out, now), tx| {
            Box::pin(async move {
                if tried.count_with(tx, *now).await? != Used::Some {
                    audit::record(tx, *now, [lock_out.clone()]).await?;
                }
                Ok(())
            })
        });
        count.await
    }

    /// Refuses a sign-up whose mail would be one too many, where it is of no use without.
    async fn check_mail_of_sign_up(
        &self,
        account: &NewAccount,
        client: &Client,
    ) -> Result<Attempt, Error> {
        let email = account.email.as_ref().or(account.pending_email.as_ref());
        let Some(email) = email else {
            return Ok(Attempt::new(Vec::new()));
        };
        let mut mail = self.throttle.mail(Mails::OfAnybody, email, None, client.ip);
        if account.pending_email.is_some() {
            mail.check(self.db(), self.now()).await?;
        }
        Ok(mail)
    }

    /// Inserts the account and runs the app's hook, in the transaction that begins its session, if
    /// one begins.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`] or [`Error::EmailTaken`], where that has happened meanwhile.
    pub async fn sign_up(
        &self,
        tx: &mut Tx,
        admitted: &Admitted,
        client: &Client,
    ) -> Result<User, Error> {
        let Admitted {
            account,
            attempt,
            mail,
        } = admitted;
        let now = self.now();
        let is_pending = account.pending_email.is_some();
        let log_in_at = (!is_pending).then_some(now);
        let user = self.accounts.insert(tx, account, now, log_in_at).await?;
        if let Some(email) = account.pending_email.as_ref().or(account.email.as_ref()) {
            let letter = Letter::VerifyEmail {
                user_id: user.id,
                email: email.as_typed().to_owned(),
            };
            match is_pending {
                true => {
                    mail.count_with(tx, now).await?;
                    self.accounts.letters().put(tx, now, letter).await?;
                }
                false => self.put_within_limit(tx, mail, letter, now).await?,
            }
        }
        let used = attempt.count_with(tx, now).await?;
        let known = self.throttle.log_in(&user.username, client.ip);
        known.welcome(tx, now).await?;
        self.note_place(tx, &user, client, None, now).await?;
        self.hooks.on_sign_up(tx, &user).await?;
        if is_pending {
            let event = Event::new(Action::SignUp, user.id, Some(client));
            audit::record(tx, now, [event]).await?;
        }
        if used != Used::Some {
            audit::record(tx, now, [sign_up_lock_out(Some(user.id), client)]).await?;
        }
        Ok(user)
    }
}

/// The event that an address has reached the limit of sign-ups; `user_id` is the last to sign up.
fn sign_up_lock_out(user_id: Option<Uuid>, client: &Client) -> Event {
    Event::failure(Action::SignUp, Reason::AddressLimit, user_id, client)
        .as_lock_out(Reason::AddressLimit)
}
