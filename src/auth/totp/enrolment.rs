//! Turning the second factor on and off.

use std::time::Duration;

use uuid::Uuid;

use super::{
    recovery_code::{self, new_codes},
    store,
};
use crate::{
    auth::{
        account::{Accounts, credentials::Credentials, lock_logged_in},
        audit::{self, Action, Event},
        letters::letter::{Change, Letter, SecurityChange},
        session,
        totp::Codes,
        user::{self, Account, User},
    },
    db::Tx,
    http::{Client, Error},
};

/// How long a secret may take to be confirmed.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60 * 60);

/// What a user puts into their authenticator app.
#[derive(Debug)]
pub(crate) struct Enrolment {
    pub secret: String,
    pub uri: String,
}

impl Credentials {
    /// The codes of this server.
    ///
    /// # Errors
    /// [`Error::Internal`] where [`AuthBuilder::totp`](crate::auth::AuthBuilder::totp) was not called.
    pub fn codes(&self) -> Result<&Codes, Error> {
        self.totp.as_ref().ok_or_else(|| {
            Error::internal(
                "the account has a second factor, and `AuthBuilder::totp` was not called",
            )
        })
    }

    /// Makes a secret for the authenticator app of a user; nothing is on until it is confirmed.
    pub async fn begin_totp(&self, user: &User) -> Result<Enrolment, Error> {
        let now = self.now();
        let id = now.new_id();
        let secret = self.codes()?.new_secret(id, &user.username)?;
        let insert = (id, user.id, secret.sealed, now);
        let inserted = self.db().write(insert, |(id, user_id, sealed, now), tx| {
            Box::pin(async move {
                user::store::lock(tx, *user_id).await?;
                store::insert_secret(tx, *id, *user_id, sealed, *now).await
            })
        });
        inserted.await?;
        Ok(Enrolment {
            secret: secret.base32,
            uri: secret.uri,
        })
    }

    /// Turns codes on with one that the app has made, which is used up. Returns recovery codes; none when
    /// the session has ended.
    ///
    /// # Errors
    /// [`Error::BadCode`]
    pub async fn confirm_totp(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        code: String,
        client: &Client,
    ) -> Result<Option<Vec<String>>, Error> {
        let recovery_codes = new_codes();
        let hashes = hashes(&recovery_codes);
        let event = Event::new(Action::EnableTotp, user_id, Some(client));
        let event = (event, Change::new(SecurityChange::TotpOn, Some(client)));
        let of = (user_id, session_id);
        let confirm = (self.clone(), of, code, hashes, event, self.now());
        let confirmed = self.db().write(
            confirm,
            |(credentials, (user_id, session_id), code, hashes, (event, change), now), tx| {
                Box::pin(async move {
                    let (user_id, now) = (*user_id, *now);
                    let Some(account) = lock_logged_in(tx, user_id, *session_id).await? else {
                        return Ok(false);
                    };
                    let since = now.before(CONFIRMED_WITHIN);
                    let row = store::find_unconfirmed(tx, user_id, since).await?;
                    let row = row.ok_or(Error::BadCode)?;
                    let codes = credentials.codes()?;
                    let step = codes.step_of(row.id, &row.sealed, code, now)?;
                    let step = step.ok_or(Error::BadCode)?;
                    let of = *session_id;
                    credentials.check_has_none_to_give(tx, &account, of).await?;
                    store::confirm(tx, row.id, user_id, step, now).await?;
                    store::replace_recovery_codes(tx, user_id, hashes, now).await?;
                    session::store::note_second_factor(tx, *session_id, now).await?;
                    credentials
                        .tell_of_change(tx, &account.user, change, now)
                        .await?;
                    audit::record(tx, now, [event.clone()]).await?;
                    Ok::<_, Error>(true)
                })
            },
        );
        Ok(confirmed.await?.then_some(recovery_codes))
    }

    /// Gives a user new recovery codes; the old ones are of no use any more. None when the session has
    /// ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when they have no second factor that one could stand in for.
    pub async fn renew_recovery_codes(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        client: &Client,
    ) -> Result<Option<Vec<String>>, Error> {
        let recovery_codes = new_codes();
        let hashes = hashes(&recovery_codes);
        let event = Event::new(Action::RenewRecoveryCodes, user_id, Some(client));
        let change = Change::new(SecurityChange::RecoveryCodesRenewed, Some(client));
        let renew = (self.clone(), user_id, hashes, (event, change), self.now());
        let renewed = self.db().write(
            renew,
            move |(credentials, user_id, hashes, (event, change), now), tx| {
                Box::pin(async move {
                    let (user_id, now) = (*user_id, *now);
                    let Some(account) = lock_logged_in(tx, user_id, session_id).await? else {
                        return Ok(false);
                    };
                    if account.totp_since.is_none() {
                        return Err(Error::NotFound);
                    }
                    store::replace_recovery_codes(tx, user_id, hashes, now).await?;
                    credentials
                        .tell_of_change(tx, &account.user, change, now)
                        .await?;
                    audit::record(tx, now, [event.clone()]).await?;
                    Ok(true)
                })
            },
        );
        Ok(renewed.await?.then_some(recovery_codes))
    }

    /// How many recovery codes a user has left; none when they have no second factor.
    pub async fn recovery_codes_left(&self, user_id: Uuid) -> Result<Option<u64>, Error> {
        let account = user::store::find_by_id(self.db(), user_id).await?;
        if account.is_none_or(|account| account.totp_since.is_none()) {
            return Ok(None);
        }
        let left = store::count_recovery_codes(self.db(), user_id).await?;
        Ok(Some(u64::try_from(left).unwrap_or(0)))
    }

    /// Takes the second factor of a user away, who has asked for it. Logins that wait for a code end;
    /// sessions go on. None when the session has ended.
    pub async fn remove_second_factor(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        client: &Client,
    ) -> Result<Option<()>, Error> {
        let event = Event::new(Action::DisableTotp, user_id, Some(client));
        let change = Change::new(SecurityChange::TotpOff, Some(client));
        let remove = (self.clone(), change, event);
        let removed = self
            .db()
            .write(remove, move |(credentials, change, event), tx| {
                Box::pin(async move {
                    let now = credentials.now();
                    if lock_logged_in(tx, user_id, session_id).await?.is_none() {
                        return Ok(None);
                    }
                    if let Some(account) = remove_with(tx, user_id).await? {
                        credentials
                            .tell_of_change(tx, &account.user, change, now)
                            .await?;
                        audit::record(tx, now, [event.clone()]).await?;
                    }
                    Ok::<_, Error>(Some(()))
                })
            });
        removed.await
    }
}

impl Accounts {
    /// Takes the second factor of a user away, for an operator, at the user's request: codes of
    /// their app and recovery codes, not passkeys. Logins that wait for a code end; sessions go on.
    /// The user is told by mail. False when there was none.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn reset_second_factor(&self, user: &User) -> Result<bool, Error> {
        let event = Event::new(Action::ResetSecondFactor, user.id, None);
        let reset = (self.clone(), user.id, event);
        let reset = self.db().write(reset, |(accounts, user_id, event), tx| {
            Box::pin(async move {
                let now = accounts.now();
                let Some(account) = remove_with(tx, *user_id).await? else {
                    return Ok(false);
                };
                let change = Change::new(SecurityChange::SecondFactorReset, None);
                if let Some(letter) = Letter::of_change(&account.user, &change) {
                    accounts.letters().put(tx, now, letter).await?;
                }
                audit::record(tx, now, [event.clone()]).await?;
                Ok::<_, Error>(true)
            })
        });
        reset.await
    }
}

/// Deletes the second factor of a user, whatever there is of it; the account, if it was turned on.
async fn remove_with(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<Option<Account>> {
    let account = user::store::lock_account(tx, user_id).await?;
    store::delete_second_factor(tx, user_id).await?;
    Ok(account.filter(|account| account.totp_since.is_some()))
}

fn hashes(recovery_codes: &[String]) -> Vec<Vec<u8>> {
    let hashes = recovery_codes.iter();
    hashes.map(|code| recovery_code::hash(code)).collect()
}
