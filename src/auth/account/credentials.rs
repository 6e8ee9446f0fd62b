//! Whether a name and a password open an account.

use super::{
    user::{Account, AccountState, User},
    username::Username,
};
use crate::auth::{
    Auth, account,
    audit::{self, Action, Event, Reason},
    password::Turn,
    throttle::{Attempt, Used},
};
use crate::http::{Client, Error};

/// Credentials that open an account.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub account: Account,
    pub attempt: Attempt,
    /// Of an attempt that was counted and is to be taken back with the log-in, to be kept until
    /// that is done; none where nothing was there to be guessed.
    pub turn: Option<Turn>,
}

/// The account that these credentials open. Whatever is wrong with them, the same work is done
/// for the answer, so that its time tells nothing (ASVS 6.3.8).
///
/// # Errors
/// [`Error::BadCredentials`] and nothing more of what was wrong;
/// [`Error::TooManyAttempts`] or [`Error::Busy`] before the password was looked at.
pub(crate) async fn check(
    auth: &Auth,
    client: &Client,
    username: &str,
    password: Option<String>,
) -> Result<Accepted, Error> {
    let mut attempt = auth.throttle().log_in(username, client.ip);
    attempt.check(auth.db(), auth.now()).await?;
    let account = match Username::parse(username) {
        Ok(username) => account::store::find(auth.db(), &username).await?,
        Err(_) => None,
    };
    let refusal = refusal(account.as_ref());
    if let (Some(Reason::NoPassword), Some(account)) = (refusal, &account)
        && password.is_none()
        && auth.passwordless_login()
    {
        return Ok(Accepted {
            account: account.clone(),
            attempt,
            turn: None,
        });
    }

    // Counted once its turn has come: what is counted and not yet known to fail is little.
    let turn = auth.passwords().turn().await?;
    let used = attempt.count(auth.db(), auth.now()).await?;
    let stored = account
        .as_ref()
        .filter(|_| refusal.is_none())
        .and_then(|account| account.password_hash.clone());
    let password = password.unwrap_or_default();
    let verdict = auth.passwords().verify(turn, password, stored).await?;
    let mut account = match account {
        Some(account) if verdict.matches => account,
        account => {
            let reason = refusal.unwrap_or(Reason::WrongPassword);
            return Err(refuse(auth, client, account, reason, used).await);
        }
    };
    if let (Some(old), Some(new)) = (&account.password_hash, verdict.rehashed) {
        account::store::rehash(auth.db(), account.user.id, old, &new).await?;
        account.password_hash = Some(new);
    }
    Ok(Accepted {
        account,
        attempt,
        turn: Some(verdict.turn),
    })
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

/// Writes the failure down; the error that says no more than it must.
async fn refuse(
    auth: &Auth,
    client: &Client,
    account: Option<Account>,
    reason: Reason,
    used: Used,
) -> Error {
    let user_id = account.map(|account| account.user.id);
    let failed = Event::failure(Action::LogIn, reason, user_id, client);
    match record_failure(auth, failed, used).await {
        Ok(()) => Error::BadCredentials,
        Err(error) => error,
    }
}

/// Writes down that an attempt failed, and whether it was the last one for now.
pub(crate) async fn record_failure(
    auth: &Auth,
    failed: Event<'_>,
    used: Used,
) -> Result<(), Error> {
    let lock_out = match used {
        Used::Some => None,
        Used::LastOfAccount => Some(failed.as_lock_out(Reason::AccountLimit)),
        Used::LastOfAddress => Some(failed.as_lock_out(Reason::AddressLimit)),
    };
    let events: Vec<Event<'_>> = [Some(failed), lock_out].into_iter().flatten().collect();
    let tx = auth.db().begin().await?;
    Ok(audit::commit(auth.db(), tx, auth.now(), &events, Vec::new()).await?)
}

/// Writes down that no more accounts can be made where this one was, for now.
pub(crate) async fn record_lock_out(
    auth: &Auth,
    user: &User,
    client: &Client,
) -> Result<(), Error> {
    let made = Event::new(Action::SignUp, user.id, Some(client));
    let tx = auth.db().begin().await?;
    let lock_out = made.as_lock_out(Reason::AddressLimit);
    Ok(audit::commit(auth.db(), tx, auth.now(), &[lock_out], Vec::new()).await?)
}
