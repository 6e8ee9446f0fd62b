//! Proving with a passkey who one is, to log in or to re-authenticate.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, PublicKeyCredential};

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
        user::{self, Account, AccountState},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// What somebody has sent who uses a passkey.
#[derive(Clone)]
struct Claim {
    purpose: Purpose,
    response: PublicKeyCredential,
    /// What it is checked against.
    state: DiscoverableAuthentication,
    /// Whose passkey it has to be, where somebody is logged in.
    by: Option<Uuid>,
}

/// The use of a passkey that was checked, yet to be committed.
pub(crate) struct Proved {
    claim: Claim,
    stored: StoredPasskey,
    used: Used,
    verified: Verified,
}

impl Proved {
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Records the use, in the transaction of what it is a proof for; the account as it is now. None when
    /// the passkey or its user has changed since it was checked, with nothing done: it is to be
    /// [checked again](Credentials::prove_again).
    pub async fn note(&self, tx: &mut Tx, now: Timestamp) -> sqlx::Result<Option<Verified>> {
        let account = user::store::lock_account(tx, self.stored.user_id).await?;
        let account = account.filter(|account| account.state() == AccountState::Enabled);
        let (id, checked) = (&self.claim.response.raw_id, &self.stored.credential);
        let (credential, backed_up) = (&self.used.credential, self.used.backed_up);
        let is_noted = store::note_use(tx, id, checked, credential, backed_up, now).await?;
        let Some(account) = account.filter(|_| is_noted) else {
            tx.abandon();
            return Ok(None);
        };
        #[cfg(feature = "totp")]
        if account.totp_since.is_some() {
            totp::store::clear_failures(tx, self.stored.user_id).await?;
        }
        Ok(Some(self.verified.of(account)))
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
        let Some(response) = response_of(credential) else {
            let refused = Refusal::new(purpose, by, client);
            return Err(self.refuse(refused, Reason::BadPasskey).await?);
        };
        let claim = Claim {
            purpose,
            response,
            state,
            by,
        };
        self.check(claim, client).await
    }

    /// Checks a use again whose passkey has changed since, as by another use at the same time.
    ///
    /// # Errors
    /// [`Error::BadCredentials`]
    pub async fn prove_again(&self, proved: &Proved, client: &Client) -> Result<Proved, Error> {
        self.check(proved.claim.clone(), client).await
    }

    async fn check(&self, claim: Claim, client: &Client) -> Result<Proved, Error> {
        let db = self.db();
        let Claim {
            purpose,
            response,
            by,
            ..
        } = &claim;
        let refused = Refusal::new(*purpose, *by, client);
        let Some(stored) = store::find(db, &response.raw_id).await? else {
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
        let relying_party = self.relying_party()?;
        let used = match relying_party.check_use(response, claim.state.clone(), &stored)? {
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
            claim,
            stored,
            used,
            verified: Verified::otherwise(account, attempt),
        })
    }

    /// The attempt of a login, which clears what is held against the account.
    async fn passkey_login(&self, account: &Account, client: &Client) -> Result<Attempt, Error> {
        let mut attempt = self.throttle.log_in(&account.user.username, client.ip);
        match attempt.check(self.db(), self.now()).await {
            // Wrong passwords were tried by somebody else: they do not keep the owner of the passkey out.
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

/// A use that is refused: for what, and whose it is as far as that is known.
struct Refusal<'a> {
    action: Action,
    user_id: Option<Uuid>,
    client: &'a Client,
}

impl<'a> Refusal<'a> {
    fn new(purpose: Purpose, by: Option<Uuid>, client: &'a Client) -> Self {
        let action = match purpose {
            Purpose::Reauthenticate => Action::Reauthenticate,
            Purpose::Add | Purpose::LogIn => Action::LogIn,
        };
        Self {
            action,
            user_id: by,
            client,
        }
    }
}
