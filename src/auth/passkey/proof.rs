//! Proving with a passkey who one is, to log in or to re-authenticate.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{DiscoverableAuthentication, PublicKeyCredential};

use super::{
    ChallengedBrowser, RelyingParty,
    ceremony::{Refused, Used, response_of},
    challenges::{Purpose, keep, take},
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

/// The response of an authenticator, with what it is checked against.
struct Claim {
    response: PublicKeyCredential,
    state: DiscoverableAuthentication,
    relying_party: RelyingParty,
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

    /// Records the use, in the transaction of what it is a proof for; the account as it is now. A passkey
    /// that has changed meanwhile, as by another use, is checked again. If the use is refused, nothing is
    /// done, and the reason is to be [recorded](Credentials::refuse_proved).
    pub async fn note(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Result<Verified, Reason>, Error> {
        let noted = self.try_note(tx, now).await?;
        if noted.is_err() {
            tx.abandon();
        }
        Ok(noted)
    }

    async fn try_note(
        &self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Result<Verified, Reason>, Error> {
        let Self { claim, stored, .. } = self;
        // First, as every change of an account locks it before its passkeys.
        let account = user::store::lock_account(tx, stored.user_id).await?;
        let account = account.filter(|account| account.state() == AccountState::Enabled);
        let Some(account) = account else {
            return Ok(Err(Reason::Disabled));
        };
        let id = &claim.response.raw_id;
        let present = store::find_in_tx(tx, id).await?;
        let Some(present) = present.filter(|present| present.user_id == stored.user_id) else {
            return Ok(Err(Reason::BadPasskey));
        };
        let again;
        let used = if present == *stored {
            &self.used
        } else {
            again = match claim.check(&present)? {
                Ok(used) => used,
                Err(refused) => return Ok(Err(refused.into())),
            };
            &again
        };
        let changed = (&*used.credential, used.backed_up);
        store::note_use(tx, id, changed, claim.relying_party.id(), now).await?;
        #[cfg(feature = "totp")]
        if account.totp_since.is_some() {
            totp::store::clear_failures(tx, stored.user_id).await?;
        }
        Ok(Ok(self.verified.of(account)))
    }
}

impl Claim {
    /// Checks the response, for the passkey that it names.
    fn check(&self, stored: &StoredPasskey) -> Result<Result<Used, Refused>, Error> {
        let state = self.state.clone();
        self.relying_party
            .check_use(&self.response, state, &stored.credential)
    }
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Self::BadPasskey,
            Refused::SignCountBackwards => Self::PasskeySignCountBackwards,
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
        let relying_party = self.relying_party()?;
        let of = store::list_usable(self.db(), user_id, relying_party.id()).await?;
        let ceremony = relying_party.begin_authentication(of)?;
        // Who is logged in is limited by their session alone.
        let (purpose, attempt) = (Purpose::Reauthenticate, Attempt::new(Vec::new()));
        keep(self.db(), &ceremony, purpose, browser, attempt, self.now()).await?;
        Ok(ceremony.options)
    }

    /// Checks the use of a passkey to log in or, of one of `by`, to prove again who is logged in.
    ///
    /// # Errors
    /// [`Error::BadCredentials`]
    pub async fn prove(
        &self,
        browser: &ChallengedBrowser,
        credential: Value,
        by: Option<Uuid>,
        client: &Client,
    ) -> Result<Proved, Error> {
        let (db, now) = (self.db(), self.now());
        let purpose = match by {
            Some(_) => Purpose::Reauthenticate,
            None => Purpose::LogIn,
        };
        let state = take::<DiscoverableAuthentication>(db, &credential, purpose, browser, now);
        // Nothing is recorded of a response to no challenge: anybody can send it, as often as they like.
        let state = state.await?.ok_or(Error::BadCredentials)?;
        let refused = Refusal {
            action: action(by),
            user_id: by,
            client,
        };
        let Some(response) = response_of(credential) else {
            return Err(self.refuse(refused, Reason::BadPasskey).await?);
        };
        let claim = Claim {
            response,
            state,
            relying_party: self.relying_party()?.clone(),
            by,
        };
        self.check(claim, refused).await
    }

    async fn check(&self, claim: Claim, refused: Refusal<'_>) -> Result<Proved, Error> {
        let db = self.db();
        let Claim { response, by, .. } = &claim;
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
        let used = match claim.check(&stored)? {
            Ok(used) => used,
            Err(why) => return Err(self.refuse(refused, why.into()).await?),
        };
        let account = user::store::find_by_id(db, user_id).await?;
        let account = account.filter(|account| account.state() == AccountState::Enabled);
        let Some(account) = account else {
            return Err(self.refuse(refused, Reason::Disabled).await?);
        };
        let attempt = match by {
            Some(_) => Attempt::new(Vec::new()),
            None => self.passkey_login(&account, refused.client).await?,
        };
        Ok(Proved {
            claim,
            stored,
            used,
            verified: Verified::otherwise(account, attempt),
        })
    }

    /// Records that a use was refused which had been checked; returns the error.
    pub async fn refuse_proved(
        &self,
        proved: &Proved,
        reason: Reason,
        client: &Client,
    ) -> Result<Error, Error> {
        let refused = Refusal {
            action: action(proved.claim.by),
            user_id: Some(proved.stored.user_id),
            client,
        };
        self.refuse(refused, reason).await
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

/// What the use of a passkey is for.
fn action(by: Option<Uuid>) -> Action {
    match by {
        Some(_) => Action::Reauthenticate,
        None => Action::LogIn,
    }
}
