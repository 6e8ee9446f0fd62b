//! Verifies and changes credentials, under the rate limits.

use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::{
    Accounts,
    changes::{end_pending, password_changed},
    hooks::Hooks,
};
#[cfg(feature = "passkeys")]
use crate::auth::passkey::RelyingParty;
#[cfg(feature = "totp")]
use crate::auth::totp::Codes;
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        letters::letter::{Letter, Place, Recipient},
        password::{Permit, Verdict},
        session,
        statistics::LoginCounts,
        throttle::{Attempt, Throttle, Used, forget_log_ins, network, places},
        user::{Account, AccountState, User, store, username::Username},
    },
    clock::Timestamp,
    db::{Db, Tx},
    http::{Client, Error},
};

/// Verifies and changes credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub accounts: Accounts,
    pub throttle: Throttle,
    pub passwordless_login: bool,
    pub hooks: Hooks,
    pub logins: Arc<LoginCounts>,
    /// None where there is no second factor.
    #[cfg(feature = "totp")]
    pub totp: Option<Codes>,
    /// None where there are no passkeys.
    #[cfg(feature = "passkeys")]
    pub passkeys: Option<RelyingParty>,
}

/// Credentials that were verified, for a login or a re-authentication yet to be committed.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(in crate::auth) account: Account,
    pub(super) attempt: Attempt,
    /// Held until the login is committed and its attempt no longer counts as failed; none if no
    /// password was verified.
    permit: Option<Permit>,
}

impl Verified {
    /// Somebody who was verified by other means than a password. The attempt is not counted.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub fn otherwise(account: Account, attempt: Attempt) -> Self {
        Self {
            account,
            attempt,
            permit: None,
        }
    }

    /// The same, of the account as it is now.
    #[cfg(feature = "passkeys")]
    pub fn of(&self, account: Account) -> Self {
        Self::otherwise(account, self.attempt.clone())
    }

    /// Whether a code has to follow.
    pub fn needs_second_factor(&self) -> bool {
        self.account.totp_since.is_some()
    }

    /// The attempt, if it was counted as failed.
    pub fn counted_attempt(&self) -> Option<Attempt> {
        self.permit.as_ref().map(|_| self.attempt.clone())
    }

    pub fn user(&self) -> &User {
        &self.account.user
    }
}

/// A new password, checked and hashed, yet to be stored.
#[derive(Debug)]
pub(crate) struct NewPassword {
    pub user: User,
    session_id: Uuid,
    old_hash: Option<String>,
    new_hash: String,
}

impl Credentials {
    pub fn db(&self) -> &Db {
        self.accounts.db()
    }

    pub fn now(&self) -> Timestamp {
        self.accounts.now()
    }

    /// Verifies a username and a password. Whatever is wrong with them, the same work is done,
    /// so that the time of the response tells nothing (ASVS 6.3.8).
    ///
    /// # Errors
    /// [`Error::BadCredentials`], which does not say what was wrong;
    /// [`Error::TooManyAttempts`] or [`Error::Busy`] before the password was looked at.
    pub async fn verify(
        &self,
        client: &Client,
        username: &str,
        password: Option<String>,
    ) -> Result<Verified, Error> {
        let mut attempt = self.throttle.log_in(username, client.ip);
        attempt.check(self.db(), self.now()).await?;
        let account = match Username::parse(username) {
            Ok(username) => store::find(self.db(), &username).await?,
            Err(_) => None,
        };
        if let (Some(Reason::NoPassword), Some(account)) = (refusal(account.as_ref()), &account)
            && password.is_none()
            && self.passwordless_login
            && account.passkey_count == 0
        {
            return Ok(Verified {
                account: account.clone(),
                attempt,
                permit: None,
            });
        }

        let password = password.unwrap_or_default();
        self.verify_password(Action::LogIn, attempt, account, client, password)
            .await
    }

    /// Verifies the password of an account, if there is one that it may open, as a part of `action`.
    pub(super) async fn verify_password(
        &self,
        action: Action,
        mut attempt: Attempt,
        account: Option<Account>,
        client: &Client,
        password: String,
    ) -> Result<Verified, Error> {
        let refusal = refusal(account.as_ref());
        let hash = account
            .as_ref()
            .filter(|_| refusal.is_none())
            .and_then(|account| account.password_hash.clone());
        let tried = self.try_password(&mut attempt, client, password, hash);
        let (used, verdict) = tried.await?;
        let mut account = match account {
            Some(account) if verdict.matches => account,
            account => {
                let reason = refusal.unwrap_or(Reason::WrongPassword);
                let user_id = account.map(|account| account.user.id);
                let failed = Event::failure(action, reason, user_id, client);
                self.record_failure(attempt, failed, used).await?;
                return Err(Error::BadCredentials);
            }
        };
        if let (Some(old), Some(new)) = (&account.password_hash, verdict.rehashed) {
            self.rehash(account.user.id, old.clone(), new.clone())
                .await?;
            account.password_hash = Some(new);
        }
        Ok(Verified {
            account,
            attempt,
            permit: Some(verdict.permit),
        })
    }

    /// Replaces a hash with one of the same password at a higher cost.
    async fn rehash(&self, user_id: Uuid, old: String, new: String) -> sqlx::Result<()> {
        let rehash = self
            .db()
            .write((user_id, old, new), |(user_id, old, new), tx| {
                Box::pin(store::rehash(tx, *user_id, old, new))
            });
        rehash.await
    }

    /// Records a login in the transaction that begins its session; the attempt no longer counts
    /// as failed.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was changed since it was verified.
    pub async fn log_in(
        &self,
        tx: &mut Tx,
        verified: &Verified,
        client: &Client,
    ) -> Result<(), Error> {
        let Verified {
            account,
            attempt,
            permit,
        } = verified;
        let now = self.now();
        let has_nothing = account.password_hash.is_none() && account.passkey_count == 0;
        let is_still_so = !has_nothing || store::has_no_passkey(tx, account.user.id).await?;
        if !is_still_so || !store::note_login(tx, account, now).await? {
            return Err(Error::BadCredentials);
        }
        match permit {
            Some(_) => attempt.succeed(tx, now).await?,
            None => attempt.welcome(tx, now).await?,
        }
        let last_login_at = account.last_login_at;
        self.note_place(tx, &account.user, client, last_login_at, now)
            .await
    }

    /// Records where a user was seen who has proved who they are, and tells them if it is a new place;
    /// not of their first login, as that is from somewhere.
    pub(super) async fn note_place(
        &self,
        tx: &mut Tx,
        user: &User,
        client: &Client,
        last_login_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Error> {
        // Where no mail is sent, a login costs nothing more.
        if self.accounts.letters().outbox().is_none() {
            return Ok(());
        }
        let is_new = places::note(tx, user.id, client.ip, now).await?;
        let told = Recipient::of(user).filter(|_| is_new && last_login_at.is_some());
        let Some(to) = told else {
            return Ok(());
        };
        let Place { device, ip } = Place::of(client);
        let user_id = user.id;
        let letter = Letter::NewDevice {
            user_id,
            to,
            ip,
            device,
        };
        self.put_notice(tx, letter, now).await
    }

    /// Verifies the current password of the user of a session, and hashes the new one.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when `current` is not the current password;
    /// [`Error::Invalid`] when `new` is too easily guessed.
    pub async fn admit_password(
        &self,
        user: User,
        session_id: Uuid,
        client: &Client,
        (current, new): (String, String),
    ) -> Result<NewPassword, Error> {
        // A thief with a stolen session gets no more guesses than anybody else.
        let mut attempt = self.throttle.password_change(session_id);
        attempt.check(self.db(), self.now()).await?;
        let account = store::find_by_id(self.db(), user.id).await?;
        let old_hash = account.and_then(|account| account.password_hash);
        let tried = self.try_password(&mut attempt, client, current, old_hash.clone());
        let (used, verdict) = tried.await?;
        if !verdict.matches {
            let (action, reason) = (Action::ChangePassword, Reason::WrongPassword);
            let failed = Event::failure(action, reason, Some(user.id), client);
            self.record_failure(attempt, failed, used).await?;
            return Err(Error::BadCredentials);
        }
        // Right, whatever becomes of the new one; and nobody waits while that is checked.
        let succeed = self
            .db()
            .write((attempt, self.now()), |(attempt, now), tx| {
                Box::pin(attempt.succeed(tx, *now))
            });
        succeed.await?;
        drop(verdict.permit);

        let origin = origin(client);
        self.accounts
            .check_new_password(&user, "new_password", &new, origin)
            .await?;
        let passwords = self.accounts.passwords();
        let permit = passwords.permit(origin).await?;
        let (new_hash, _permit) = passwords.hash(permit, new).await?;
        Ok(NewPassword {
            user,
            session_id,
            old_hash,
            new_hash,
        })
    }

    /// Changes a password at `now`, in the transaction that renews the session; the user's others
    /// end in it. Returns the event; none when the account is closed by now.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the password was changed since it was verified.
    pub async fn change_password(
        &self,
        tx: &mut Tx,
        password: &NewPassword,
        client: &Client,
        now: Timestamp,
    ) -> Result<Option<Event>, Error> {
        let NewPassword {
            user,
            session_id,
            old_hash,
            new_hash,
        } = password;
        // Its address may not be the one that the session was found with.
        let account = store::lock_account(tx, user.id).await?;
        let is_open = |account: &Account| account.state() == AccountState::Enabled;
        let Some(account) = account.filter(is_open) else {
            return Ok(None);
        };
        if !store::change_password(tx, user.id, old_hash.as_deref(), new_hash).await? {
            return Err(Error::BadCredentials);
        }
        forget_log_ins(tx, &user.username).await?;
        let known = self.throttle.log_in(&user.username, client.ip);
        known.welcome(tx, now).await?;
        tx.revoke([user.id.into()]);
        end_pending(tx, user.id).await?;
        if let Some(letter) = password_changed(tx, &account.user).await? {
            self.put_notice(tx, letter, now).await?;
        }
        session::store::delete_others(tx, user.id, Some(*session_id)).await?;
        let event = Event::new(Action::ChangePassword, user.id, Some(client));
        Ok(Some(event))
    }

    /// Verifies a password once the permit has come, and counts the attempt as failed until it
    /// is known not to have: so what is counted and not yet known is little.
    async fn try_password(
        &self,
        attempt: &mut Attempt,
        client: &Client,
        password: String,
        hash: Option<String>,
    ) -> Result<(Used, Verdict), Error> {
        let passwords = self.accounts.passwords();
        let permit = passwords.permit(origin(client)).await?;
        let used = attempt.count(self.db(), self.now()).await?;
        match passwords.verify(permit, password, hash).await {
            Ok(verdict) => Ok((used, verdict)),
            Err(error) => {
                attempt.take_back(self.db(), self.now()).await?;
                Err(error)
            }
        }
    }

    /// Records that an attempt failed, and whether it was the last one for now.
    async fn record_failure(
        &self,
        attempt: Attempt,
        failed: Event,
        used: Used,
    ) -> Result<(), Error> {
        let lock_out = match used {
            Used::Some => None,
            Used::LastOfAccount => Some(failed.as_lock_out(Reason::AccountLimit)),
            Used::LastOfAddress => Some(failed.as_lock_out(Reason::AddressLimit)),
        };
        let events: Vec<Event> = [Some(failed), lock_out].into_iter().flatten().collect();
        let record = (attempt, events, self.now());
        let record = self.db().write(record, |(attempt, events, now), tx| {
            Box::pin(async move {
                attempt.mark_failed(tx, *now).await?;
                audit::record(tx, *now, events.iter().cloned()).await
            })
        });
        Ok(record.await?)
    }
}

/// Why no password opens this account, if so.
fn refusal(account: Option<&Account>) -> Option<Reason> {
    match account {
        None => Some(Reason::UnknownUser),
        Some(account) if account.state() == AccountState::Disabled => Some(Reason::Disabled),
        Some(account) if account.password_hash.is_none() => Some(Reason::NoPassword),
        Some(_) => None,
    }
}

/// Where a client comes from, for its share of the work on passwords.
pub(super) fn origin(client: &Client) -> Option<IpNet> {
    client.ip.map(network)
}
