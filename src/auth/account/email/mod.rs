//! Verifying addresses, and changing them.

pub(super) mod added;
mod undo;

use uuid::Uuid;

use super::{
    Accounts,
    changes::{lock_logged_in, taken},
    credentials::{Credentials, Verified, origin},
};
#[cfg(any(feature = "passkeys", feature = "totp"))]
use crate::auth::letters::letter::Change;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::{Letter, Recipient},
        throttle::{Attempt, Mails},
        tokens::{self, Bound, Purpose, Token},
        user::{self, Account, AccountState, email::Email},
    },
    clock::{CLOCKS_APART, Timestamp},
    db::Tx,
    http::{Client, Error},
};

/// What became of a request for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkRequest {
    Sent,
    /// There is no address that is yet to be verified.
    NothingToVerify,
    /// The session has ended meanwhile.
    LoggedOut,
}

impl Credentials {
    /// Puts a notice into the outbox, unless the limit of its kind and its address is reached.
    pub(in crate::auth) async fn put_notice(
        &self,
        tx: &mut Tx,
        letter: Letter,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some((kind, email)) = letter.notice() else {
            return Ok(());
        };
        let Ok(email) = email.parse() else {
            return Ok(());
        };
        let mails = Mails::Notices(kind);
        let mail = self.throttle.mail(mails, &email, None, None);
        self.put_within_limit(tx, &mail, letter, now).await
    }

    /// Tells a user, as their account is in this transaction, that what they log in with was changed.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub(crate) async fn tell_of_change(
        &self,
        tx: &mut Tx,
        user: &user::User,
        change: &Change,
        now: Timestamp,
    ) -> Result<(), Error> {
        match Letter::of_change(user, change) {
            Some(letter) => self.put_notice(tx, letter, now).await,
            None => Ok(()),
        }
    }

    /// Puts a letter into the outbox, unless its limit is reached: what it belongs to is done all the
    /// same.
    pub(super) async fn put_within_limit(
        &self,
        tx: &mut Tx,
        mail: &Attempt,
        letter: Letter,
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
            .map(|email| self.throttle.mail(Mails::OfItsUser, &email, None, None));
        let user_id = account.user.id;
        let letter = Letter::VerifyEmail { user_id, email };
        let attempt = verified.counted_attempt();
        let refuse = (self.clone(), attempt, mail.ok(), letter, failed, self.now());
        let refused = self.db().write(
            refuse,
            move |(credentials, attempt, mail, letter, failed, now), tx| {
                Box::pin(async move {
                    // First, as every change of an account locks it before anything else.
                    user::store::lock(tx, user_id).await?;
                    if let Some(attempt) = attempt {
                        attempt.succeed(tx, *now).await?;
                    }
                    if let Some(mail) = mail {
                        credentials
                            .put_within_limit(tx, mail, letter.clone(), *now)
                            .await?;
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
    pub async fn send_verification(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        client: &Client,
    ) -> Result<LinkRequest, Error> {
        let account = user::store::find_by_id(self.db(), user_id).await?;
        let email = account.and_then(|account| account.unverified_email().map(str::to_owned));
        let Some(email) = email else {
            return Ok(LinkRequest::NothingToVerify);
        };
        self.accounts.letters().refuse_unconfigured()?;
        let address: Email = email.parse().map_err(Error::internal)?;
        let mut mail = self
            .throttle
            .mail(Mails::OfItsUser, &address, Some(user_id), client.ip);
        mail.check(self.db(), self.now()).await?;
        let letter = Letter::VerifyEmail { user_id, email };
        let send = (self.clone(), mail, letter, self.now());
        let sent = self
            .db()
            .write(send, move |(credentials, mail, letter, now), tx| {
                Box::pin(async move {
                    if lock_logged_in(tx, user_id, session_id).await?.is_none() {
                        return Ok(LinkRequest::LoggedOut);
                    }
                    mail.count_with(tx, *now).await?;
                    let letters = credentials.accounts.letters();
                    letters.put(tx, *now, letter.clone()).await?;
                    Ok::<_, Error>(LinkRequest::Sent)
                })
            });
        sent.await
    }

    /// Sends a link to the address that a user wants to have, and word of it to the one that they
    /// have. Whether somebody else has it makes no difference here.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::MailNotConfigured`]
    pub async fn request_email_change(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        email: Email,
        client: &Client,
    ) -> Result<LinkRequest, Error> {
        self.accounts.letters().refuse_unconfigured()?;
        let mut mail = self
            .throttle
            .mail(Mails::OfAnybody, &email, Some(user_id), client.ip);
        mail.check(self.db(), self.now()).await?;
        let event = Event::new(Action::RequestEmailChange, user_id, Some(client));
        let request = (self.clone(), mail, email, event, self.now());
        let requested = self.db().write(
            request,
            move |(credentials, mail, email, event, now), tx| {
                Box::pin(async move {
                    let Some(account) = lock_logged_in(tx, user_id, session_id).await? else {
                        return Ok(LinkRequest::LoggedOut);
                    };
                    mail.count_with(tx, *now).await?;
                    let letters = credentials.accounts.letters();
                    let since = Some(taken_back_since(&account, *now));
                    let new = email.as_typed().to_owned();
                    // Before the link, whose use makes it late.
                    if let Some(to) = Recipient::of(&account.user) {
                        let new = new.clone();
                        let notice = Letter::EmailChangeRequested {
                            user_id,
                            to,
                            new,
                            since,
                        };
                        letters.put(tx, *now, notice).await?;
                    }
                    let email = new;
                    let link = Letter::ChangeEmail {
                        user_id,
                        email,
                        since,
                    };
                    letters.put(tx, *now, link).await?;
                    audit::record(tx, *now, [event.clone()]).await?;
                    Ok::<_, Error>(LinkRequest::Sent)
                })
            },
        );
        requested.await
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
        let nobodys = match bound.purpose {
            Purpose::UndoEmailChange => Some(self.nobodys_password(client).await?),
            _ => None,
        };
        let used = (self.clone(), hash, bound.user_id, client.clone(), nobodys);
        let used = self.db.write(
            used,
            move |(accounts, hash, user_id, client, nobodys), tx| {
                Box::pin(async move {
                    // First, as every change of an account locks it before its tokens.
                    let account = user::store::lock_account(tx, *user_id).await?;
                    let bound = tokens::store::take(tx, hash, now).await?;
                    let (Some(account), Some(bound)) = (account, bound) else {
                        return Err(Error::BadToken);
                    };
                    if account.state() == AccountState::Disabled {
                        return Err(Error::BadToken);
                    }
                    let action = match nobodys {
                        Some(nobodys) => {
                            let owner = (nobodys, client);
                            let taken_back = accounts.take_back(tx, &account, &bound, owner, now);
                            taken_back.await?;
                            Action::UndoEmailChange
                        }
                        None => accounts.apply(tx, &account, &bound, now).await?,
                    };
                    tx.revoke([account.user.id.into()]);
                    let event = Event::new(action, account.user.id, Some(client));
                    Ok(audit::record(tx, now, [event]).await?)
                })
            },
        );
        used.await
    }

    /// The hash of a password that nobody knows.
    async fn nobodys_password(&self, client: &Client) -> Result<String, Error> {
        let password = Token::random().as_str().to_owned();
        self.hash(password, origin(client)).await
    }

    /// Verifies or changes the address of an account. Returns what has happened.
    async fn apply(
        &self,
        tx: &mut Tx,
        account: &Account,
        bound: &Bound,
        now: Timestamp,
    ) -> Result<Action, Error> {
        let user = &account.user;
        let email: Email = bound.email.parse().map_err(|_| Error::BadToken)?;
        let current = user.email.as_deref();
        let current = current.and_then(|current| current.parse::<Email>().ok());
        let is_current = current.is_some_and(|current| current.key() == email.key());
        Ok(match bound.purpose {
            Purpose::VerifyEmail if is_current => {
                user::store::verify_email(tx, user.id, &email, now).await?;
                Action::VerifyEmail
            }
            // The address of a sign-up, which is nobody's until now.
            Purpose::VerifyEmail if account.pending_email.as_deref() == Some(&*bound.email) => {
                set_email(tx, user.id, &email, now).await?;
                Action::VerifyEmail
            }
            Purpose::ChangeEmail => {
                set_email(tx, user.id, &email, now).await?;
                tokens::store::delete_outdated(tx, user.id).await?;
                if let Some(to) = Recipient::of(user).filter(|_| !is_current) {
                    let letter = Letter::EmailChanged {
                        user_id: user.id,
                        to,
                        new: Some(bound.email.clone()),
                        can_be_undone: true,
                        since: Some(bound.since),
                    };
                    self.letters().put(tx, now, letter).await?;
                }
                Action::ChangeEmail
            }
            Purpose::VerifyEmail
            | Purpose::UndoEmailChange
            | Purpose::ResetPassword
            | Purpose::Invitation => return Err(Error::BadToken),
        })
    }
}

/// From when on what was added to log in with goes, if a change of the address that is requested now is
/// taken back: from so long before as the link for that lives. No later proof on a session moves it.
/// Everything, if nobody has proved until now that the present address is theirs.
fn taken_back_since(account: &Account, now: Timestamp) -> Timestamp {
    if !account.user.email_verified {
        return Timestamp::from_unix_micros(0);
    }
    let lifetime = Purpose::UndoEmailChange.lifetime();
    // The clock of the node that has added it may be behind.
    now.before(lifetime).before(CLOCKS_APART)
}

/// Gives an account an address that was verified just now.
async fn set_email(tx: &mut Tx, user_id: Uuid, email: &Email, now: Timestamp) -> Result<(), Error> {
    let changed = user::store::change_email(tx, user_id, Some(email), Some(now)).await;
    // Somebody else may have it by now.
    let changed = changed.map_err(|error| taken(error, Error::BadToken))?;
    changed.map(drop).ok_or(Error::BadToken)
}
