//! Getting back in after the password was forgotten.

use super::{
    changes::{end_pending, password_changed},
    credentials::{Credentials, origin},
    email::added,
};
use crate::{
    auth::{
        audit::{self, Action, Event},
        letters::letter::{Letter, SecurityChange},
        session,
        throttle::{Mails, forget_log_ins},
        tokens,
        user::{self, AccountState, email::Email},
    },
    clock::Timestamp,
    http::{Client, Error},
};

impl Credentials {
    /// Sends a link to choose a new password to the owner of this address. The same is written
    /// whether there is an account or not, and no account is looked up before it is sent: neither
    /// what this does nor how long it takes tells anything (ASVS 6.3.8).
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], [`Error::MailNotConfigured`]
    pub async fn forgot_password(&self, email: Email, client: &Client) -> Result<(), Error> {
        self.accounts.letters().refuse_unconfigured()?;
        let mut mail = self
            .throttle
            .mail(Mails::OfAnybody, &email, None, client.ip);
        mail.check(self.db(), self.now()).await?;
        let letter = Letter::ForgottenPassword {
            email: email.as_typed().to_owned(),
        };
        let event = Event::of_anybody(Action::RequestPasswordReset, client);
        let send = (self.clone(), mail, letter, event, self.now());
        let sent = self
            .db()
            .write(send, |(credentials, mail, letter, event, now), tx| {
                Box::pin(async move {
                    mail.count_with(tx, *now).await?;
                    credentials
                        .accounts
                        .letters()
                        .put(tx, *now, letter.clone())
                        .await?;
                    Ok::<_, Error>(audit::record(tx, *now, [event.clone()]).await?)
                })
            });
        sent.await
    }

    /// Sets a password with the token of a link; every session of its user ends, and the other
    /// links that were sent to them are of no use any more.
    ///
    /// # Errors
    /// [`Error::BadToken`]; [`Error::Invalid`] when the password is too easily guessed, which does
    /// not use up the token.
    pub async fn reset_password(
        &self,
        token: &str,
        password: String,
        client: &Client,
    ) -> Result<(), Error> {
        let hash = tokens::hash(token);
        let bound = tokens::store::find(self.db(), &hash, self.now()).await?;
        let bound = bound.filter(|bound| bound.purpose.sets_password());
        let bound = bound.ok_or(Error::BadToken)?;
        let account = user::store::find_by_id(self.db(), bound.user_id).await?;
        let account = account.filter(|account| account.state() == AccountState::Enabled);
        let user = account.ok_or(Error::BadToken)?.user;
        let origin = origin(client);
        self.accounts
            .check_new_password(&user, "new_password", &password, origin)
            .await?;
        let passwords = self.accounts.passwords();
        let permit = passwords.permit(origin).await?;
        let (password_hash, _permit) = passwords.hash(permit, password).await?;

        let reset = (self.clone(), hash, user, password_hash, client.clone());
        let reset = self.db().write(
            reset,
            |(credentials, hash, user, password_hash, client), tx| {
                Box::pin(async move {
                    let now = credentials.now();
                    // First, as every change of an account locks it before its tokens.
                    let account = user::store::lock_account(tx, user.id).await?;
                    let bound = tokens::store::take(tx, hash, now).await?;
                    let (Some(account), Some(bound)) = (account, bound) else {
                        return Err(Error::BadToken);
                    };
                    if account.state() == AccountState::Disabled {
                        return Err(Error::BadToken);
                    }
                    user::store::set_password(tx, user.id, password_hash).await?;
                    // The link was opened where it was sent to.
                    let email: Email = bound.email.parse().map_err(|_| Error::BadToken)?;
                    if !user::store::verify_email(tx, user.id, &email, now).await? {
                        return Err(Error::BadToken);
                    }
                    forget_log_ins(tx, &account.user.username).await?;
                    session::store::delete_others(tx, user.id, None).await?;
                    end_pending(tx, user.id).await?;
                    let removed = match account.user.email_verified {
                        true => None,
                        // A stranger may have signed up with it.
                        false => {
                            let ever = Timestamp::from_unix_micros(0);
                            added::remove(tx, &account, ever, client, now).await?
                        }
                    };
                    let removed = removed.and_then(|removed| {
                        let change = SecurityChange::RemovedAtFirstProof;
                        Letter::of_change(&account.user, &removed.told_as(change, client))
                    });
                    let changed = password_changed(tx, &account.user).await?;
                    for letter in [removed, changed].into_iter().flatten() {
                        // Without a limit of its own: every reset needs a link, and those are limited.
                        let letters = credentials.accounts.letters();
                        letters.put(tx, now, letter).await?;
                    }
                    tx.revoke([user.id.into()]);
                    let event = Event::new(Action::ResetPassword, user.id, Some(client));
                    Ok(audit::record(tx, now, [event]).await?)
                })
            },
        );
        reset.await
    }
}
