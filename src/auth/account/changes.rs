//! Changes to accounts, by operators and by users.

use uuid::Uuid;

use super::{Accounts, store};
#[cfg(feature = "passkeys")]
use crate::auth::passkey;
#[cfg(feature = "totp")]
use crate::auth::{throttle, totp};
use crate::{
    auth::{
        audit::{self, Action, Event},
        letters::letter::{Letter, Recipient},
        session,
        throttle::{forget_log_ins, places},
        tokens,
        user::{self, Account, AccountState, User, email::Email, username::Username},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// Sessions ended in one transaction, so that no request waits long for the write lock.
const BATCH: i64 = 500;

impl Accounts {
    /// Disables or enables an account. While it is disabled its sessions count as those of a user
    /// who is gone; they are removed for good when it is enabled again.
    pub async fn set_state(&self, user: &User, state: AccountState) -> Result<(), Error> {
        let set = (user.id, state, self.clock.now());
        let set = self.db.write(set, |&(user_id, state, now), tx| {
            Box::pin(async move {
                user::store::set_state(tx, user_id, state, now).await?;
                // Links that were requested before are of no use any more.
                tokens::store::delete_all(tx, user_id).await?;
                #[cfg(feature = "totp")]
                totp::store::delete_half_logins(tx, user_id, 0).await?;
                if state == AccountState::Enabled {
                    session::store::delete_others(tx, user_id, None).await?;
                }
                let action = match state {
                    AccountState::Enabled => Action::EnableAccount,
                    AccountState::Disabled => Action::DisableAccount,
                };
                record_change(tx, now, user_id, action).await
            })
        });
        Ok(set.await?)
    }

    /// Ends every session of a user but `kept`. `client` is none when an operator does it.
    pub(crate) async fn end_sessions(
        &self,
        user_id: Uuid,
        kept: Option<Uuid>,
        client: Option<&Client>,
    ) -> Result<(), Error> {
        let event = Event::new(Action::EndSessions, user_id, client);
        let end = (user_id, kept, client.is_some(), event, self.clock.now());
        let end = self
            .db
            .write(end, |(user_id, kept, is_own, event, now), tx| {
                Box::pin(async move {
                    tx.revoke([(*user_id).into()]);
                    user::store::lock(tx, *user_id).await?;
                    #[cfg(feature = "totp")]
                    if kept.is_none() {
                        totp::store::delete_half_logins(tx, *user_id, 0).await?;
                    }
                    let ended = session::store::delete_others(tx, *user_id, *kept).await?;
                    if ended == 0 && *is_own {
                        // Another node may have ended them just now.
                        tx.abandon();
                        return Ok(());
                    }
                    audit::record(tx, *now, [event.clone()]).await
                })
            });
        Ok(end.await?)
    }

    /// Ends every session of a user, and their logins that wait for a code.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn sign_out(&self, user: &User) -> Result<(), Error> {
        self.end_sessions(user.id, None, None).await
    }

    /// Ends every session of every user; returns how many. Sessions that begin meanwhile end as
    /// well, and so do logins that wait for a code. Visitors, who are not logged in, keep theirs.
    ///
    /// # Errors
    /// When the database is not available; some sessions may have ended.
    pub async fn sign_out_all(&self) -> Result<u64, Error> {
        let mut ended = 0;
        let mut is_recorded = false;
        // Nobody waits for the batches; the last look, for sessions that were not committed yet,
        // has everybody wait.
        let mut is_last = false;
        loop {
            let end = (self.now(), is_recorded, is_last);
            let batch = self.db.write(end, |&(now, is_recorded, is_last), tx| {
                Box::pin(async move {
                    let limit = if is_last { i64::MAX } else { BATCH };
                    if is_last {
                        store::lock_sessions(tx).await?;
                        #[cfg(feature = "totp")]
                        totp::store::delete_all_half_logins(tx).await?;
                    }
                    let ids = store::delete_sessions(tx, limit).await?;
                    if !is_recorded {
                        let event = Event::of_everybody(Action::EndAllSessions);
                        audit::record(tx, now, [event]).await?;
                    }
                    let count = ids.len();
                    tx.revoke(ids.into_iter().map(Into::into));
                    Ok::<_, sqlx::Error>(count)
                })
            });
            let batch = batch.await?;
            ended += batch as u64;
            if is_last {
                return Ok(ended);
            }
            is_recorded = true;
            is_last = batch == 0;
        }
    }

    /// Sets a password, whatever it was, and ends every session of its user.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the password is too easily guessed.
    pub async fn set_password(&self, user: &User, password: String) -> Result<(), Error> {
        self.check_new_password(user, "password", &password, None)
            .await?;
        let hash = self.hash(password, None).await?;
        let set = (self.clone(), user.clone(), hash, self.clock.now());
        let set = self.db.write(set, |(accounts, user, hash, now), tx| {
            Box::pin(async move {
                user::store::set_password(tx, user.id, hash).await?;
                forget_log_ins(tx, &user.username).await?;
                session::store::delete_others(tx, user.id, None).await?;
                end_pending(tx, user.id).await?;
                if let Some(letter) = password_changed(tx, user).await? {
                    accounts.letters.put(tx, *now, letter).await?;
                }
                Ok::<_, Error>(record_change(tx, *now, user.id, Action::ChangePassword).await?)
            })
        });
        set.await
    }

    /// Changes a username; sessions go on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not a username, [`Error::UsernameTaken`], and
    /// [`Error::NotFound`] when the account was deleted.
    pub async fn change_username(&self, user: &User, username: &str) -> Result<User, Error> {
        let username = Username::parse(username)
            .map_err(|what| Error::invalid("username", what.to_string()))?;
        let change = (user.id, username, self.clock.now());
        let changed = self.db.write(change, |(user_id, username, now), tx| {
            Box::pin(async move {
                let changed = user::store::change_username(tx, *user_id, username).await;
                let changed = changed
                    .map_err(|error| taken(error, Error::UsernameTaken))?
                    .ok_or(Error::NotFound)?;
                session::rename_user(tx, &changed).await?;
                record_change(tx, *now, *user_id, Action::ChangeUsername).await?;
                Ok(changed)
            })
        });
        changed.await
    }

    /// Changes an e-mail address, or takes it away; sessions go on. It counts as not verified, and
    /// the old address is told, without a link to take it back: it may be somebody else's by now.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not an address, [`Error::EmailTaken`], and
    /// [`Error::NotFound`] when the account was deleted.
    pub async fn change_email(&self, user: &User, email: Option<&str>) -> Result<User, Error> {
        let email = email.map(str::parse::<Email>).transpose();
        let email = email.map_err(|what| Error::invalid("email", what.to_string()))?;
        let change = (self.clone(), user.id, email, self.clock.now());
        let changed = self
            .db
            .write(change, |(accounts, user_id, email, now), tx| {
                Box::pin(async move {
                    let before = user::store::lock_account(tx, *user_id).await?;
                    let changed =
                        user::store::change_email(tx, *user_id, email.as_ref(), None).await;
                    let changed = changed
                        .map_err(|error| taken(error, Error::EmailTaken))?
                        .ok_or(Error::NotFound)?;
                    tokens::store::delete_all(tx, *user_id).await?;
                    let told = before.and_then(|before| Recipient::of(&before.user));
                    let told = told.filter(|told| !is_spelling_of(&told.email, email.as_ref()));
                    if let Some(to) = told {
                        let letter = Letter::EmailChanged {
                            user_id: *user_id,
                            to,
                            new: changed.email.clone(),
                            can_be_undone: false,
                            since: None,
                        };
                        accounts.letters.put(tx, *now, letter).await?;
                    }
                    record_change(tx, *now, *user_id, Action::ChangeEmail).await?;
                    Ok(changed)
                })
            });
        changed.await
    }

    /// Deletes an account and ends its sessions, on every node; its name and address are free
    /// again. Rows of yours that refer to it must allow for that (`on delete cascade`, say).
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was deleted already.
    pub async fn delete(&self, user: &User) -> Result<(), Error> {
        let event = Event::new(Action::DeleteAccount, user.id, None);
        let delete = (user.clone(), event, self.clock.now());
        let deleted = self.db.write(delete, |(user, event, now), tx| {
            Box::pin(async move {
                match delete_account(tx, user, event.clone(), *now).await? {
                    true => Ok(()),
                    false => Err(Error::NotFound),
                }
            })
        });
        deleted.await
    }

    /// As [`delete`](Self::delete), for the user of a session; false when that has ended.
    pub(crate) async fn delete_own(
        &self,
        user: User,
        session_id: Uuid,
        client: &Client,
    ) -> Result<bool, Error> {
        let event = Event::new(Action::DeleteAccount, user.id, Some(client));
        let delete = (user, session_id, event, self.clock.now());
        let deleted = self.db.write(delete, |(user, session_id, event, now), tx| {
            Box::pin(async move {
                match lock_logged_in(tx, user.id, *session_id).await? {
                    Some(_) => delete_account(tx, user, event.clone(), *now).await,
                    None => Ok(false),
                }
            })
        });
        Ok(deleted.await?)
    }
}

/// False when it was deleted already.
async fn delete_account(
    tx: &mut Tx,
    user: &User,
    event: Event,
    now: Timestamp,
) -> sqlx::Result<bool> {
    #[cfg(feature = "totp")]
    {
        user::store::lock(tx, user.id).await?;
        totp::store::delete_half_logins(tx, user.id, 0).await?;
    }
    if !user::store::delete(tx, user.id).await? {
        return Ok(false);
    }
    forget_log_ins(tx, &user.username).await?;
    #[cfg(feature = "totp")]
    throttle::forget_codes(tx, user.id).await?;
    places::forget(tx, user.id).await?;
    tokens::store::delete_all(tx, user.id).await?;
    session::store::delete_others(tx, user.id, None).await?;
    tx.revoke([user.id.into()]);
    audit::record(tx, now, [event]).await?;
    Ok(true)
}

/// The account of the user of a session, locked until the transaction ends; none when the session has
/// ended, or the user may not be logged in any more. What was checked before may be outdated: other
/// nodes hear of an end a little later, and a request may wait for the database.
pub(in crate::auth) async fn lock_logged_in(
    tx: &mut Tx,
    user_id: Uuid,
    session_id: Uuid,
) -> sqlx::Result<Option<Account>> {
    let account = user::store::lock_account(tx, user_id).await?;
    let is_there = session::store::has_session(tx, user_id, session_id).await?;
    Ok(account.filter(|account| is_there && account.state() == AccountState::Enabled))
}

/// Ends what a new password ends: links that were sent before, logins that wait for a code, and the setup
/// of an authenticator app.
pub(super) async fn end_pending(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    tokens::store::delete_outdated(tx, user_id).await?;
    #[cfg(feature = "totp")]
    {
        totp::store::delete_half_logins(tx, user_id, 0).await?;
        totp::store::delete_unconfirmed(tx, user_id).await?;
    }
    Ok(())
}

/// The notice of a new password, which names the passkeys that stay; none for a user without an address.
pub(super) async fn password_changed(tx: &mut Tx, user: &User) -> sqlx::Result<Option<Letter>> {
    #[cfg(feature = "passkeys")]
    let passkeys = passkey::store::names(tx, user.id).await?;
    #[cfg(not(feature = "passkeys"))]
    let passkeys = {
        let _ = tx;
        Vec::new()
    };
    Ok(Letter::of_new_password(user, passkeys))
}

/// Whether a new address is the old one, perhaps spelled in another way.
fn is_spelling_of(old: &str, new: Option<&Email>) -> bool {
    let old = old.parse::<Email>().ok().map(|old| old.key());
    old.is_some() && old == new.map(Email::key)
}

/// Records a change to an account, and invalidates every cached session of its user.
async fn record_change(
    tx: &mut Tx,
    now: Timestamp,
    user_id: Uuid,
    action: Action,
) -> sqlx::Result<()> {
    tx.revoke([user_id.into()]);
    audit::record(tx, now, [Event::new(action, user_id, None)]).await
}

/// `taken` if a unique constraint was violated, else the error itself.
pub(super) fn taken(error: sqlx::Error, taken: Error) -> Error {
    let is_taken = error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation());
    if is_taken { taken } else { error.into() }
}
