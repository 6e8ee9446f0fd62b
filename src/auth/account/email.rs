//! Verifying addresses, and changing them.

use uuid::Uuid;

use super::{
    Accounts,
    changes::taken,
    credentials::{Credentials, Verified},
};
#[cfg(feature = "totp")]
use crate::auth::totp;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::Letter,
        session,
        throttle::{Attempt, forget_log_ins},
        tokens::{self, Bound, Purpose},
        user::{self, Account, AccountState, User, email::Email},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// What became of a request for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Sent,
    /// There is no address that is yet to be verified.
    NothingToVerify,
}

impl Credentials {
    /// Puts a letter that nobody has asked for in so many words into the outbox, unless its limit is
    /// reached: what it belongs to is done all the same.
    pub(super) async fn put_within_limit(
        &self,
        tx: &mut Tx,
        mail: &Attempt,
        letter: &Letter,
        now: Timestamp,
    ) -> Result<(), Error> {
        let letters = self.accounts.letters();
        if letters.outbox().is_none() {
            return Ok(());
        }
        match mail.count_with(tx, now).await {
            Ok(_) => letters.put(tx, now, letter).await,
            Err(Error::TooManyAttempts { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Refuses a login with the right password while the address is yet to be verified, where it has
    /// to be; the link is sent again.
    ///
    /// # Errors
    /// [`Error::EmailNotVerified`]
    pub async fn refuse_unverified(
        &self,
        verified: &Verified,
        client: &Client,
    ) -> Result<(), Error> {
        let account = &verified.account;
        let email = account.unverified_email().map(str::to_owned);
        let Some(email) = email.filter(|_| self.accounts.letters().requires_verification()) else {
            return Ok(());
        };
        let reason = Reason::EmailNotVerified;
        let failed = Event::failure(Action::LogIn, reason, Some(account.user.id), client);
        let mail = email
            .parse()
            .map(|email| self.throttle.mail(&email, None, None));
        let letter = Letter::VerifyEmail {
            user_id: account.user.id,
            email,
        };
        let attempt = verified.counted_attempt();
        let refuse = (self.clone(), attempt, mail.ok(), letter, failed, self.now());
        let refused = self.db().write(
            refuse,
            |(credentials, attempt, mail, letter, failed, now), tx| {
                Box::pin(async move {
                    if let Some(attempt) = attempt {
                        attempt.succeed(tx, *now).await?;
                    }
                    if let Some(mail) = mail {
                        credentials.put_within_limit(tx, mail, letter, *now).await?;
                    }
                    Ok::<_, Error>(audit::record(tx, *now, [failed.clone()]).await?)
                })
            },
        );
        refused.await?;
        Err(Error::EmailNotVerified)
    }

    /// Sends the link that verifies the address of a user again; earlier ones are of no use then.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::MailNotConfigured`]
    pub async fn send_verification(&self, user_id: Uuid, client: &Client) -> Result<Asked, Error> {
        let account = user::store::find_by_id(self.db(), user_id).await?;
        let email = account.and_then(|account| account.unverified_email().map(str::to_owned));
        let Some(email) = email else {
            return Ok(Asked::NothingToVerify);
        };
        self.accounts.letters().refuse_unconfigured()?;
        let address: Email = email.parse().map_err(Error::internal)?;
        let mut mail = self.throttle.mail(&address, Some(user_id), client.ip);
        mail.check(self.db(), self.now()).await?;
        let letter = Letter::VerifyEmail { user_id, email };
        let send = (self.clone(), mail, letter, user_id, self.now());
        let sent = self
            .db()
            .write(send, |(credentials, mail, letter, user_id, now), tx| {
                Box::pin(async move {
                    mail.count_with(tx, *now).await?;
                    let purpose = Purpose::VerifyEmail;
                    tokens::store::delete_of_purpose(tx, *user_id, purpose).await?;
                    credentials.accounts.letters().put(tx, *now, letter).await
                })
            });
        sent.await?;
        Ok(Asked::Sent)
    }

    /// Sends a link to the address that a user wants to have, and word of it to the one that they
    /// have. Whether somebody else has it makes no difference here.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::MailNotConfigured`]
    pub async fn ask_email_change(
        &self,
        user: User,
        email: Email,
        client: &Client,
    ) -> Result<(), Error> {
        self.accounts.letters().refuse_unconfigured()?;
        let mut mail = self.throttle.mail(&email, Some(user.id), client.ip);
        mail.check(self.db(), self.now()).await?;
        let new = email.as_typed().to_owned();
        let user_id = user.id;
        let notice = user.email.map(|old| Letter::EmailChangeAsked {
            user_id,
            old,
            new: new.clone(),
        });
        let link = Letter::ChangeEmail {
            user_id,
            email: new,
        };
        let event = Event::new(Action::RequestEmailChange, user_id, Some(client));
        let ask = (self.clone(), mail, link, notice, event, self.now());
        let asked = self
            .db()
            .write(ask, |(credentials, mail, link, notice, event, now), tx| {
                Box::pin(async move {
                    mail.count_with(tx, *now).await?;
                    let letters = credentials.accounts.letters();
                    // Before the link, whose use makes it late.
                    if let Some(notice) = notice {
                        letters.put(tx, *now, notice).await?;
                    }
                    letters.put(tx, *now, link).await?;
                    Ok::<_, Error>(audit::record(tx, *now, [event.clone()]).await?)
                })
            });
        asked.await
    }
}

impl Accounts {
    /// Does what a link to `/verify-email` is good for: verifies the address of an account, changes
    /// it, or takes such a change back.
    ///
    /// # Errors
    /// [`Error::BadToken`] when it is good for nothing.
    pub(crate) async fn use_email_token(&self, token: &str, client: &Client) -> Result<(), Error> {
        let hash = tokens::hash(token);
        let now = self.now();
        let bound = tokens::store::find(&self.db, &hash, now).await?;
        let bound = bound.filter(|bound| !bound.purpose.sets_password());
        let bound = bound.ok_or(Error::BadToken)?;
        let used = (self.clone(), hash, bound.user_id, client.clone(), now);
        let used = self
            .db
            .write(used, |(accounts, hash, user_id, client, now), tx| {
                Box::pin(async move {
                    // First, as every change of an account locks it before its tokens.
                    let account = user::store::lock_account(tx, *user_id).await?;
                    let bound = tokens::store::take(tx, hash, *now).await?;
                    let (Some(account), Some(bound)) = (account, bound) else {
                        return Err(Error::BadToken);
                    };
                    if account.state() == AccountState::Disabled {
                        return Err(Error::BadToken);
                    }
                    accounts.apply(tx, &account, &bound, client, *now).await
                })
            });
        used.await
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        account: &Account,
        bound: &Bound,
        client: &Client,
        now: Timestamp,
    ) -> Result<(), Error> {
        let user = &account.user;
        let email: Email = bound.email.parse().map_err(|_| Error::BadToken)?;
        let current = user.email.as_deref();
        let current = current.and_then(|current| current.parse::<Email>().ok());
        let is_current = current.is_some_and(|current| current.key() == email.key());
        let action = match bound.purpose {
            Purpose::VerifyEmail if is_current => {
                user::store::verify_email(tx, user.id, &email, now).await?;
                Action::VerifyEmail
            }
            // The address of a sign-up, which is nobody's until now.
            Purpose::VerifyEmail if account.pending_email.as_deref() == Some(&*bound.email) => {
                set_email(tx, user.id, &email, now).await?;
                Action::VerifyEmail
            }
            Purpose::VerifyEmail | Purpose::ResetPassword | Purpose::Invitation => {
                return Err(Error::BadToken);
            }
            Purpose::ChangeEmail => {
                set_email(tx, user.id, &email, now).await?;
                tokens::store::delete_outdated(tx, user.id).await?;
                if let Some(old) = user.email.clone().filter(|_| !is_current) {
                    let letter = Letter::EmailChanged {
                        user_id: user.id,
                        old,
                        new: bound.email.clone(),
                    };
                    self.letters().put(tx, now, &letter).await?;
                }
                Action::ChangeEmail
            }
            Purpose::UndoEmailChange => {
                set_email(tx, user.id, &email, now).await?;
                tokens::store::delete_outdated(tx, user.id).await?;
                // Those that undo later changes would bring back what this one undoes.
                tokens::store::delete_later(tx, user.id, bound.mail_id).await?;
                // The change was asked for on a session, which may have been stolen.
                session::store::delete_others(tx, user.id, None).await?;
                #[cfg(feature = "totp")]
                totp::store::delete_half_logins(tx, user.id).await?;
                forget_log_ins(tx, &user.username).await?;
                Action::UndoEmailChange
            }
        };
        tx.revoke([user.id.into()]);
        let event = Event::new(action, user.id, Some(client));
        Ok(audit::record(tx, now, [event]).await?)
    }
}

/// Gives an account an address that was verified just now.
async fn set_email(tx: &mut Tx, user_id: Uuid, email: &Email, now: Timestamp) -> Result<(), Error> {
    let changed = user::store::change_email(tx, user_id, Some(email), Some(now)).await;
    // Somebody else may have it by now.
    let changed = changed.map_err(|error| taken(error, Error::BadToken))?;
    changed.map(drop).ok_or(Error::BadToken)
}
