//! Whether a name and a password open an account.

use uuid::Uuid;

use super::{
    audit::{Action, Event, Reason},
    fair_queue::Origin,
    password::Turn,
    state::Gate,
    throttle::{Attempt, Used, network},
    username::Username,
    users::{self, Account, AccountState},
};
use crate::http::{Client, Error};

/// Credentials that open an account.
#[derive(Debug)]
pub(super) struct Accepted {
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
pub(super) async fn check(
    gate: &Gate,
    client: &Client,
    username: &str,
    password: Option<String>,
) -> Result<Accepted, Error> {
    let mut attempt = gate.throttle().log_in(username, client.ip);
    attempt.check(gate.db(), gate.now()).await?;
    let account = match Username::parse(username) {
        Ok(username) => users::find(gate.db(), &username).await?,
        Err(_) => None,
    };
    let refusal = refusal(account.as_ref());
    if let (Some(Reason::NoPassword), Some(account)) = (refusal, &account)
        && password.is_none()
        && gate.passwordless_login()
    {
        return Ok(Accepted {
            account: account.clone(),
            attempt,
            turn: None,
        });
    }

    // Counted once its turn has come: what is counted and not yet known to fail is little.
    let turn = gate.passwords().turn(origin(client)).await?;
    let used = attempt.count(gate.db(), gate.now()).await?;
    let stored = account
        .as_ref()
        .filter(|_| refusal.is_none())
        .and_then(|account| account.password_hash.clone());
    let password = password.unwrap_or_default();
    let verdict = match gate.passwords().verify(turn, password, stored).await {
        Ok(verdict) => verdict,
        Err(error) => {
            attempt.take_back(gate.db(), gate.now()).await?;
            return Err(error);
        }
    };
    let mut account = match account {
        Some(account) if verdict.matches => account,
        account => {
            let reason = refusal.unwrap_or(Reason::WrongPassword);
            return Err(refuse(gate, client, account, reason, used).await);
        }
    };
    if let (Some(old), Some(new)) = (&account.password_hash, verdict.rehashed) {
        users::rehash(gate.db(), account.user.id, old, &new).await?;
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
    gate: &Gate,
    client: &Client,
    account: Option<Account>,
    reason: Reason,
    used: Used,
) -> Error {
    let user_id = account.map(|account| account.user.id);
    let failed = Event::failure(Action::LogIn, reason, user_id, client);
    match record_failure(gate, failed, used).await {
        Ok(()) => Error::BadCredentials,
        Err(error) => error,
    }
}

/// Writes down that an attempt failed, and whether it was the last one for now.
pub(super) async fn record_failure(
    gate: &Gate,
    failed: Event<'_>,
    used: Used,
) -> Result<(), Error> {
    let lock_out = match used {
        Used::Some => None,
        Used::LastOfAccount => Some(failed.as_lock_out(Reason::AccountLimit)),
        Used::LastOfAddress => Some(failed.as_lock_out(Reason::AddressLimit)),
    };
    let events: Vec<Event<'_>> = [Some(failed), lock_out].into_iter().flatten().collect();
    let tx = gate.db().begin().await?;
    Ok(gate.accounts().commit(tx, &events, Vec::new()).await?)
}

/// Counts that somebody tries to sign up, before any work is done for it; what is to be counted
/// when they succeed.
///
/// # Errors
/// [`Error::TooManyAttempts`] when they must wait.
pub(super) async fn admit_sign_up(gate: &Gate, client: &Client) -> Result<Attempt, Error> {
    let mut sign_up = gate.throttle().sign_up(client.ip);
    sign_up.check(gate.db(), gate.now()).await?;
    let mut sign_up_try = gate.throttle().sign_up_try(client.ip);
    sign_up_try.check(gate.db(), gate.now()).await?;
    let used = sign_up_try.count(gate.db(), gate.now()).await?;
    if used != Used::Some {
        record_sign_up_lock_out(gate, None, client).await?;
    }
    Ok(sign_up)
}

/// Writes down that no more accounts can be made at this address, for now; the user is the last
/// whose account was.
pub(super) async fn record_sign_up_lock_out(
    gate: &Gate,
    user_id: Option<Uuid>,
    client: &Client,
) -> Result<(), Error> {
    let sign_up = Event::failure(Action::SignUp, Reason::AddressLimit, user_id, client);
    let lock_out = sign_up.as_lock_out(Reason::AddressLimit);
    let tx = gate.db().begin().await?;
    Ok(gate.accounts().commit(tx, &[lock_out], Vec::new()).await?)
}

/// Where a client comes from, for its share of the work on passwords.
pub(super) fn origin(client: &Client) -> Origin {
    client.ip.map(network)
}
