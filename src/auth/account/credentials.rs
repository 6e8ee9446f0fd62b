//! Verifies and changes credentials, under the rate limits.

use ipnet::IpNet;
use uuid::Uuid;

use super::{Accounts, Application, hooks::Hooks};
use crate::{
    auth::{
        audit::{self, Action, Event, Reason},
        password::{Permit, Verdict},
        session,
        throttle::{Attempt, Throttle, Used, forget_log_ins, network},
        user::{Account, AccountState, NewAccount, User, store, username::Username},
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
}

/// Credentials that were verified, for a login yet to be committed.
#[derive(Debug)]
pub(crate) struct Verified {
    pub account: Account,
    attempt: Attempt,
    /// Of an attempt that was counted as failed until the login is committed; none where there
    /// was no password to guess.
    permit: Option<Permit>,
}

/// An account that may be inserted.
#[derive(Debug)]
pub(crate) struct Admitted {
    account: NewAccount,
    attempt: Attempt,
}

/// An account that was inserted, in a transaction yet to be committed.
#[derive(Debug)]
pub(crate) struct SignedUp {
    pub tx: Tx,
    pub user: User,
    used: Used,
}

impl Credentials {
    fn db(&self) -> &Db {
        self.accounts.db()
    }

    fn now(&self) -> Timestamp {
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
        let refusal = refusal(account.as_ref());
        if let (Some(Reason::NoPassword), Some(account)) = (refusal, &account)
            && password.is_none()
            && self.passwordless_login
        {
            return Ok(Verified {
                account: account.clone(),
                attempt,
                permit: None,
            });
        }

        let hash = account
            .as_ref()
            .filter(|_| refusal.is_none())
            .and_then(|account| account.password_hash.clone());
        let password = password.unwrap_or_default();
        let (used, verdict) = self.try_password(&attempt, client, password, hash).await?;
        let mut account = match account {
            Some(account) if verdict.matches => account,
            account => {
                let reason = refusal.unwrap_or(Reason::WrongPassword);
                let user_id = account.map(|account| account.user.id);
                let failed = Event::failure(Action::LogIn, reason, user_id, client);
                self.record_failure(failed, used).await?;
                return Err(Error::BadCredentials);
            }
        };
        if let (Some(old), Some(new)) = (&account.password_hash, verdict.rehashed) {
            store::rehash(self.db(), account.user.id, old, &new).await?;
            account.password_hash = Some(new);
        }
        Ok(Verified {
            account,
            attempt,
            permit: Some(verdict.permit),
        })
    }

    /// Begins the transaction of a login, in which the attempt no longer counts as failed. The
    /// caller keeps the permit until it is committed.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was changed since it was verified.
    pub async fn begin_login(
        &self,
        verified: Verified,
    ) -> Result<(Tx, User, Option<Permit>), Error> {
        let Verified {
            account,
            attempt,
            permit,
        } = verified;
        let mut tx = self.db().begin().await?;
        if !store::note_login(&mut tx, &account, self.now()).await? {
            return Err(Error::BadCredentials);
        }
        match permit {
            Some(_) => attempt.succeed(&mut tx, self.now()).await?,
            None => attempt.welcome(&mut tx, self.now()).await?,
        }
        Ok((tx, account.user, permit))
    }

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
        if tried.count(self.db(), self.now()).await? != Used::Some {
            self.record_sign_up_lock_out(None, client).await?;
        }
        let account = self.accounts.check(application, origin(client)).await?;
        Ok(Admitted { account, attempt })
    }

    /// Inserts the account and runs the app's hook, in a transaction yet to be committed.
    pub async fn begin_sign_up(
        &self,
        admitted: Admitted,
        client: &Client,
    ) -> Result<SignedUp, Error> {
        let Admitted { account, attempt } = admitted;
        let (mut tx, user) = self.accounts.begin_with(&account).await?;
        store::note_first_login(&mut tx, user.id).await?;
        let used = attempt.count_with(&mut tx, self.now()).await?;
        let known = self.throttle.log_in(&user.username, client.ip);
        known.welcome(&mut tx, self.now()).await?;
        self.hooks.on_sign_up(&mut tx, &user).await?;
        Ok(SignedUp { tx, user, used })
    }

    /// Records that the address of a new user can make no more accounts for now. The account is
    /// committed, whatever becomes of the event.
    pub async fn record_sign_up(&self, user: &User, used: Used, client: &Client) {
        if used == Used::Some {
            return;
        }
        if let Err(error) = self.record_sign_up_lock_out(Some(user.id), client).await {
            tracing::warn!(%error, "could not record a lockout");
        }
    }

    /// Changes the password of the user of a session after verifying the current one, in a
    /// transaction yet to be committed; their other sessions end in it, with the event.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when `current` is not the current password;
    /// [`Error::Invalid`] when `new` is too easily guessed.
    pub async fn change_password<'a>(
        &self,
        user: &User,
        session_id: Uuid,
        client: &'a Client,
        (current, new): (String, String),
    ) -> Result<(Tx, Event<'a>), Error> {
        // A thief with a stolen session gets no more guesses than anybody else.
        let mut attempt = self.throttle.password_change(session_id);
        attempt.check(self.db(), self.now()).await?;
        let account = store::find_by_id(self.db(), user.id).await?;
        let old_hash = account.and_then(|account| account.password_hash);
        let tried = self.try_password(&attempt, client, current, old_hash.clone());
        let (used, verdict) = tried.await?;
        if !verdict.matches {
            let (action, reason) = (Action::ChangePassword, Reason::WrongPassword);
            let failed = Event::failure(action, reason, Some(user.id), client);
            self.record_failure(failed, used).await?;
            return Err(Error::BadCredentials);
        }
        // Right, whatever becomes of the new one; and nobody waits while that is checked.
        let mut tx = self.db().begin().await?;
        attempt.succeed(&mut tx, self.now()).await?;
        tx.commit().await?;
        drop(verdict.permit);

        let origin = origin(client);
        self.accounts
            .check_new_password(user, "new_password", &new, origin)
            .await?;
        let passwords = self.accounts.passwords();
        let permit = passwords.permit(origin).await?;
        let (new_hash, _permit) = passwords.hash(permit, new).await?;

        let mut tx = self.db().begin().await?;
        if !store::change_password(&mut tx, user.id, old_hash.as_deref(), &new_hash).await? {
            return Err(Error::BadCredentials);
        }
        forget_log_ins(&mut tx, &user.username).await?;
        let known = self.throttle.log_in(&user.username, client.ip);
        known.welcome(&mut tx, self.now()).await?;
        session::store::delete_others(&mut tx, user.id, Some(session_id)).await?;
        let event = Event::new(Action::ChangePassword, user.id, Some(client));
        Ok((tx, event))
    }

    /// Verifies a password once the permit has come, and counts the attempt as failed until it
    /// is known not to have: so what is counted and not yet known is little.
    async fn try_password(
        &self,
        attempt: &Attempt,
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
    async fn record_failure(&self, failed: Event<'_>, used: Used) -> Result<(), Error> {
        let lock_out = match used {
            Used::Some => None,
            Used::LastOfAccount => Some(failed.as_lock_out(Reason::AccountLimit)),
            Used::LastOfAddress => Some(failed.as_lock_out(Reason::AddressLimit)),
        };
        let events: Vec<Event<'_>> = [Some(failed), lock_out].into_iter().flatten().collect();
        self.record(&events).await
    }

    /// Records that an address can make no more accounts for now; the user is the last who did.
    async fn record_sign_up_lock_out(
        &self,
        user_id: Option<Uuid>,
        client: &Client,
    ) -> Result<(), Error> {
        let sign_up = Event::failure(Action::SignUp, Reason::AddressLimit, user_id, client);
        self.record(&[sign_up.as_lock_out(Reason::AddressLimit)])
            .await
    }

    async fn record(&self, events: &[Event<'_>]) -> Result<(), Error> {
        let tx = self.db().begin().await?;
        Ok(audit::commit(self.db(), tx, self.now(), events, Vec::new()).await?)
    }
}

impl SignedUp {
    /// The transaction, the user, and what the sign-up has used up.
    pub fn into_parts(self) -> (Tx, User, Used) {
        (self.tx, self.user, self.used)
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
fn origin(client: &Client) -> Option<IpNet> {
    client.ip.map(network)
}
