//! Proves again who the user of a session is.

use super::credentials::{Credentials, Verified};
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
}
