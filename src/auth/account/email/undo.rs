//! Taking a change of an address back.

use super::{super::changes::end_pending, added, set_email};
use crate::{
    auth::{
        account::Accounts,
        audit::{self, Action, Event},
        letters::letter::{Letter, Recipient, SecurityChange},
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
    /// from `bound.since` on goes, too.
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
        let removed = added::remove(tx, account, bound.since, client, now).await?;
        let to = Recipient {
            email: bound.email.clone(),
            username: Some(user.username.clone()),
        };
        let user_id = user.id;
        let letter = Letter::ResetPassword { user_id, to };
        self.letters().put(tx, now, letter).await?;
        let Some(removed) = removed else {
            return Ok(());
        };
        let owner = User {
            email: Some(bound.email.clone()),
            // Where nobody had proved the address, a stranger may have chosen the names.
            email_verified: bound.since > Timestamp::from_unix_micros(0),
            ..user.clone()
        };
        let change = removed.told_as(SecurityChange::TakenBack, client);
        match Letter::of_change(&owner, &change) {
            Some(letter) => self.letters().put(tx, now, letter).await,
            None => Ok(()),
        }
    }
}
