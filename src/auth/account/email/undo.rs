//! Taking a change of an address back.

use std::iter;

use super::{super::changes::end_pending, set_email};
#[cfg(feature = "passkeys")]
use crate::auth::passkey;
#[cfg(feature = "totp")]
use crate::auth::totp;
use crate::{
    auth::{
        account::Accounts,
        audit::{self, Action, Event},
        letters::letter::{Change, Letter, Recipient, SecurityChange},
        session,
        throttle::forget_log_ins,
        tokens::{self, Bound},
        user::{self, Account, User, email::Email},
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

impl Accounts {
    /// Gives an account back the address that it had. Somebody who changed it had a session, and perhaps
    /// the password: both end, and the owner gets a link to choose another. What was added to log in with
    /// on the proof with which the change was requested, or since, goes, too.
    pub(super) async fn take_back(
        &self,
        tx: &mut Tx,
        account: &Account,
        bound: &Bound,
        (nobodys_password, client): (&String, &Client),
        now: Timestamp,
    ) -> Result<(), Error> {
        let user = &account.user;
        let email: Email = bound.email.parse().map_err(|_| Error::BadToken)?;
        // It was free meanwhile, and somebody may have named it who cannot prove that it is theirs.
        if let Some(squatter) = user::store::take_unverified_email(tx, &email).await?
            && squatter != user.id
        {
            tokens::store::delete_all(tx, squatter).await?;
            tx.revoke([squatter.into()]);
            let event = Event::new(Action::ChangeEmail, squatter, None);
            audit::record(tx, now, [event]).await?;
        }
        set_email(tx, user.id, &email, now).await?;
        if account.password_hash.is_some() {
            user::store::set_password(tx, user.id, nobodys_password).await?;
        }
        end_pending(tx, user.id).await?;
        // Those that undo later changes would bring back what this one undoes.
        tokens::store::delete_later(tx, user.id, bound.mail_id).await?;
        session::store::delete_others(tx, user.id, None).await?;
        forget_log_ins(tx, &user.username).await?;
        let removed = remove_added(tx, account, bound.since, client, now).await?;
        let to = Recipient {
            email: bound.email.clone(),
            username: Some(user.username.clone()),
        };
        let user_id = user.id;
        let letter = Letter::ResetPassword { user_id, to };
        self.letters().put(tx, now, letter).await?;
        match removed {
            Some(change) => {
                let owner = User {
                    email: Some(bound.email.clone()),
                    email_verified: true,
                    ..user.clone()
                };
                match Letter::of_change(&owner, &change) {
                    Some(letter) => self.letters().put(tx, now, letter).await,
                    None => Ok(()),
                }
            }
            None => Ok(()),
        }
    }
}

/// Removes what an account has got since `since` to log in with. Returns the change to tell of, if there
/// was any.
async fn remove_added(
    tx: &mut Tx,
    account: &Account,
    since: Timestamp,
    client: &Client,
    now: Timestamp,
) -> sqlx::Result<Option<Change>> {
    let user_id = account.user.id;
    #[cfg(feature = "passkeys")]
    let passkeys = passkey::store::delete_since(tx, user_id, since).await?;
    #[cfg(not(feature = "passkeys"))]
    let passkeys = Vec::<(String, Timestamp)>::new();
    let actions = iter::empty();
    #[cfg(feature = "passkeys")]
    let actions = actions.chain(passkeys.iter().map(|_| Action::DeletePasskey));
    #[cfg(feature = "totp")]
    let actions = actions.chain(totp::store::delete_since(tx, user_id, since).await?);
    #[cfg(not(any(feature = "passkeys", feature = "totp")))]
    let _ = since;
    let actions: Vec<Action> = actions.collect();
    if actions.is_empty() {
        return Ok(None);
    }
    let events = actions.into_iter();
    let events = events.map(|action| Event::new(action, user_id, Some(client)));
    audit::record(tx, now, events).await?;
    let change = Change::new(SecurityChange::TakenBack, Some(client));
    Ok(Some(change.of_passkeys(passkeys)))
}
