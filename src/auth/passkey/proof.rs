//! Proving with a passkey who one is, to log in or to re-authenticate.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::DiscoverableAuthentication;

use super::{
    ChallengedBrowser, Purpose,
    ceremony::{Refused, Used, response_of},
    challenges::{keep, take},
    store::{self, StoredPasskey},
};
#[cfg(feature = "totp")]
use crate::auth::totp;
use crate::{
    auth::{
        account::credentials::{Credentials, Verified},
        audit::{self, Action, Event, Reason},
        throttle::Attempt,
        user::{self, Account, AccountState, User},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// The use of a passkey that was checked, yet to be committed.
pub(crate) struct Proved {
    id: Vec<u8>,
    stored: StoredPasskey,
    used: Used,
    verified: Verified,
}

impl Proved {
    pub fn user(&self) -> &User {
        self.verified.user()
    }

    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Records the use, in the transaction of what it is a proof for.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the passkey was deleted or used since it was checked, or the
    /// account changed.
    pub async fn note(&self, tx: &mut Tx, now: Timestamp) -> Result<(), Error> {
        if !user::store::lock_unchanged(tx, &self.verified.account).await? {
            return Err(Error::BadCredentials);
        }
        #[cfg(feature = "totp")]
        if self.verified.account.totp_since.is_some() {
            totp::store::clear_failures(tx, self.stored.user_id).await?;
        }
        let (checked, used) = (&self.stored.credential, &self.used);
        let (credential, backed_up) = (&used.credential, used.backed_up);
        match store::note_use(tx, &self.id, checked, credential, backed_up, now).await? {
            true => Ok(()),
            false => Err(Error::BadCredentials),
        }
    }
}

impl Credentials {
    /// Asks a browser on which nobody is logged in for the use of a passkey, of whichever its user
    /// chooses. Returns the request options.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]
    pub async fn login_options(
        &self,
        browser: &ChallengedBrowser,
        client: &Client,
    ) -> Result<Value, Error> {
        let now = self.now();
        let mut attempt = self.throttle.passkey_challenge(client.ip);
        attempt.check(self.db(), now).await?;
        let ceremony = self.relying_party()?.begin_authentication(Vec::new())?;
        keep(self.db(), &ceremony, Purpose::LogIn, browser, attempt, now).await?;
        Ok(ceremony.options)
    }

    /// Asks the browser of a user who is logged in for the use of one of their passkeys. Returns the
    /// request options.
    pub async fn proof_options(
        &self,
        user_id: Uuid,
        browser: &ChallengedBrowser,
    ) -> Result<Value, Error> {
        let of = self.list_passkeys(user_id).await?;
        let of = of.into_iter().map(|passkey| passkey.id).collect();
        let ceremony = self.relying_party()?.begin_authentication(of)?;
        // Who is logged in is limited by their session alone.
        let (purpose, attempt) = (Purpose::Reauthenticate, Attempt::new(Vec::new()));
        keep(self.db(), &ceremony, purpose, browser, attempt, self.now()).await?;
        Ok(ceremony.options)
    }

    /// Checks the use of a passkey, which must be one of `by` if somebody is logged in.
    ///
    /// # Errors
    /// [`Error::BadCredentials`]
    pub async fn prove(
        &self,
        purpose: Purpose,
        browser: &ChallengedBrowser,
        credential: Value,
        by: Option<Uuid>,
        client: &Client,
    ) -> Result<Proved, Error> {
        let (db, now) = (self.db(), self.now());
        let state = take::<DiscoverableAuthentication>(db, &credential, purpose, browser, now);
        // Nothing is recorded of a response to no challenge: anybody can send it, as often as they like.
        let state = state.await?.ok_or(Error::BadCredentials)?;
        let action = match purpose {
            Purpose::Reauthenticate => Action::Reauthenticate,
            _ => Action::LogIn,
        };
        let refused = Refusal {
            action,
            user_id: by,
            client,
        };
        let Some(response) = response_of(credential) else {
            return Err(self.refuse(refused, Reason::BadPasskey).await?);
        };
        let id = response.raw_id.clone();
        let Some(stored) = store::find(db, &id).await? else {
            return Err(self.refuse(refused, Reason::BadPasskey).await?);
        };
        let user_id = stored.user_id;
        // The user that the authenticator names, which it need not where it was told the passkeys.
        let named = response.get_user_unique_id();
        let is_of_named = match named {
            Some(named) => named == user_id.as_bytes(),
            None => by.is_some(),
        };
        if !is_of_named || by.is_some_and(|by| by != user_id) {
            return Err(self.refuse(refused, Reason::BadPasskey).await?);
        }
        let refused = Refusal {
            user_id: Some(user_id),
            ..refused
        };
        let checked = self.relying_party()?.check_use(&response, state, &stored)?;
        let used = match checked {
            Ok(used) => used,
            Err(Refused::Wrong) => return Err(self.refuse(refused, Reason::BadPasskey).await?),
            Err(Refused::SignCountBackwards) => {
                let reason = Reason::PasskeySignCountBackwards;
                return Err(self.refuse(refused, reason).await?);
            }
        };
        let account = user::store::find_by_id(db, user_id).await?;
        let account = account.filter(|account| account.state() == AccountState::Enabled);
        let Some(account) = account else {
            return Err(self.refuse(refused, Reason::Disabled).await?);
        };
        let attempt = match purpose {
            Purpose::LogIn => self.passkey_login(&account, client).await?,
            _ => Attempt::new(Vec::new()),
        };
        Ok(Proved {
            id,
            stored,
            used,
            verified: Verified::otherwise(account, attempt),
        })
    }

    /// The attempt of a login, which clears what is held against the account.
    async fn passkey_login(&self, account: &Account, client: &Client) -> Result<Attempt, Error> {
        let mut attempt = self.throttle.log_in(&account.user.username, client.ip);
        match attempt.check(self.db(), self.now()).await {
            // Who has the passkey is not who has tried passwords.
            Ok(()) | Err(Error::TooManyAttempts { .. }) => Ok(attempt),
            Err(error) => Err(error),
        }
    }

    /// Records that a passkey was refused; returns the error, which does not say why.
    async fn refuse(&self, refused: Refusal<'_>, reason: Reason) -> Result<Error, Error> {
        let Refusal {
            action,
            user_id,
            client,
        } = refused;
        let failed = Event::failure(action, reason, user_id, client);
        let is_backwards = reason == Reason::PasskeySignCountBackwards;
        let backwards = is_backwards.then(|| {
            let action = Action::PasskeySignCountBackwards;
            Event::failure(action, reason, user_id, client)
        });
        let events: Vec<Event> = [Some(failed), backwards].into_iter().flatten().collect();
        let record = self.db().write((events, self.now()), |(events, now), tx| {
            Box::pin(audit::record(tx, *now, events.iter().cloned()))
        });
        record.await?;
        Ok(Error::BadCredentials)
    }
}

/// Whose response was refused, and what it was for.
struct Refusal<'a> {
    action: Action,
    user_id: Option<Uuid>,
    client: &'a Client,
}
