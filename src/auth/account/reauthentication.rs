//! Proves again who the user of a session is.

#[cfg(any(feature = "passkeys", feature = "totp"))]
use uuid::Uuid;

use super::credentials::{Credentials, Verified};
#[cfg(feature = "passkeys")]
use crate::auth::passkey;
#[cfg(any(feature = "passkeys", feature = "totp"))]
use crate::auth::{
    session::{self, proof::second_factors},
    user::Account,
};
use crate::{
    auth::{
        audit::{Action, Event},
        user::{User, store},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

impl Credentials {
    /// Verifies the password of somebody who is logged in. It counts as a login does, so that a
    /// stolen session gives its thief no further guesses.
    ///
    /// # Errors
    /// [`Error::BadCredentials`], also for an account without a password; as
    /// [`verify`](Self::verify) else.
    pub async fn verify_again(
        &self,
        client: &Client,
        user: &User,
        password: String,
    ) -> Result<Verified, Error> {
        let mut attempt = self.throttle.log_in(&user.username, client.ip);
        attempt.check(self.db(), self.now()).await?;
        let account = store::find_by_id(self.db(), user.id).await?;
        self.verify_password(Action::Reauthenticate, attempt, account, client, password)
            .await
    }

    /// Takes back the attempt of somebody who has proved at `now` who they are, in the transaction
    /// that renews their session. Returns the event.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was changed since it was verified.
    pub async fn reauthenticate(
        &self,
        tx: &mut Tx,
        verified: &Verified,
        client: &Client,
        now: Timestamp,
    ) -> Result<Event, Error> {
        let Verified {
            account, attempt, ..
        } = verified;
        if !store::lock_unchanged(tx, account).await? {
            return Err(Error::BadCredentials);
        }
        attempt.succeed(tx, now).await?;
        self.note_place(tx, &account.user, client, Some(now), now)
            .await?;
        let user_id = account.user.id;
        Ok(Event::new(Action::Reauthenticate, user_id, Some(client)))
    }

    /// Refuses to add a second factor to an account, which is locked, on a session where the one that it
    /// has was not given, if the app asks for one: it may have been added since the request was admitted.
    ///
    /// # Errors
    /// [`Error::SecondFactorRequired`]
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub(in crate::auth) async fn check_has_none_to_give(
        &self,
        tx: &mut Tx,
        account: &Account,
        session_id: Uuid,
    ) -> Result<(), Error> {
        let (has_passkey, has_totp) = (account.passkey_count > 0, account.totp_since.is_some());
        let has_one = has_passkey || has_totp;
        if !has_one || !self.hooks.needs_second_factor(&account.user) {
            return Ok(());
        }
        if session::store::has_second_factor(tx, session_id).await? {
            return Ok(());
        }
        #[cfg(feature = "passkeys")]
        let has_usable_passkey = match &self.passkeys {
            Some(site) => passkey::store::has_usable(tx, account.user.id, site.id()).await?,
            None => false,
        };
        #[cfg(not(feature = "passkeys"))]
        let has_usable_passkey = false;
        let methods = second_factors(has_usable_passkey, has_totp);
        Err(Error::SecondFactorRequired { methods })
    }
}
