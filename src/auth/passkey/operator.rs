//! What an operator does to the passkeys of somebody.

#[cfg(feature = "server")]
use super::RelyingParty;
use super::{OwnPasskey, changes::named, store};
use crate::{
    auth::{
        account::Accounts,
        audit::{self, Action, Event},
        letters::letter::{Change, Letter, SecurityChange},
        user::{self, User},
    },
    http::Error,
};

impl Accounts {
    /// The passkeys of a user, oldest first.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn passkeys(&self, user: &User) -> Result<Vec<OwnPasskey>, Error> {
        Ok(store::list(self.db(), user.id).await?)
    }

    /// Deletes a passkey of a user, by the id that the list has, for an operator: also the last one of
    /// an account without a password. Sessions that it has begun go on. The user is told by mail. False
    /// when they have no such passkey.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn delete_passkey(&self, user: &User, id: &[u8]) -> Result<bool, Error> {
        let event = Event::new(Action::DeletePasskey, user.id, None);
        let delete = (self.clone(), user.id, id.to_owned(), event);
        let deleted = self
            .db()
            .write(delete, |(accounts, user_id, id, event), tx| {
                Box::pin(async move {
                    let (user_id, now) = (*user_id, accounts.now());
                    let account = user::store::lock_account(tx, user_id).await?;
                    let passkey = store::find_own(tx, user_id, id).await?;
                    let (Some(account), Some(passkey)) = (account, passkey) else {
                        return Ok(false);
                    };
                    store::delete(tx, user_id, id).await?;
                    tx.revoke([user_id.into()]);
                    let change = Change::new(SecurityChange::PasskeyDeletedByOperator, None);
                    let change = change.of_passkeys([named(&passkey)]);
                    if let Some(letter) = Letter::of_change(&account.user, &change) {
                        accounts.letters().put(tx, now, letter).await?;
                    }
                    audit::record(tx, now, [event.clone()]).await?;
                    Ok::<_, Error>(true)
                })
            });
        deleted.await
    }

    /// How many passkeys there are, of all users, and how many of them cannot be used on this site.
    #[cfg(feature = "server")]
    pub(crate) async fn count_passkeys(
        &self,
        site: Option<&RelyingParty>,
    ) -> Result<(i64, i64), Error> {
        Ok(store::count_all(self.db(), site.map(RelyingParty::id)).await?)
    }
}
