//! Links that an operator sends, so that nobody chooses a password for somebody else (ASVS 6.4.6).

use super::{Accounts, Application};
use crate::{
    auth::{
        audit::{self, Action, Event},
        letters::letter::{Letter, Recipient},
        user::{self, Account, AccountState, User},
    },
    http::Error,
};

impl Accounts {
    /// Makes an account without a password, and sends a link to its address with which its user
    /// chooses one.
    ///
    /// # Errors
    /// As [`add`](Self::add); [`Error::MailNotConfigured`].
    pub async fn invite(&self, username: &str, email: &str) -> Result<User, Error> {
        self.letters.refuse_unconfigured()?;
        let application = Application::new(username).email(email.to_owned());
        self.add_because(application, Action::Invite, |user| {
            let to = Recipient {
                email: user.email.clone()?,
                // The operator has chosen it.
                username: Some(user.username.clone()),
            };
            let user_id = user.id;
            Some(Letter::Invitation { user_id, to })
        })
        .await
    }

    /// Sends a link to choose a new password to the address of an account, which it returns; until the
    /// link is used, the old password stays.
    ///
    /// # Errors
    /// [`Error::MailNotConfigured`]; [`Error::Invalid`] when the account has no address, or is
    /// disabled.
    pub async fn send_password_reset(&self, account: &Account) -> Result<String, Error> {
        self.letters.refuse_unconfigured()?;
        if account.user.email.is_none() {
            return Err(Error::invalid("email", "the account has no address"));
        }
        if account.state() == AccountState::Disabled {
            return Err(Error::invalid("account", "is disabled"));
        }
        let user_id = account.user.id;
        let event = Event::new(Action::SendPasswordReset, user_id, None);
        let send = (self.clone(), user_id, event, self.now());
        let sent = self.db.write(send, |(accounts, user_id, event, now), tx| {
            Box::pin(async move {
                let user_id = *user_id;
                let account = user::store::lock_account(tx, user_id).await?;
                let to = account.and_then(|account| Recipient::of(&account.user));
                let to = to.ok_or(Error::NotFound)?;
                let email = to.email.clone();
                let letter = Letter::ResetPassword { user_id, to };
                accounts.letters.put(tx, *now, letter).await?;
                audit::record(tx, *now, [event.clone()]).await?;
                Ok::<_, Error>(email)
            })
        });
        sent.await
    }
}
