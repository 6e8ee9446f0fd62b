//! What sign-up and an operator do to accounts.

pub(crate) mod credentials;
pub(crate) mod hooks;

use uuid::Uuid;

use super::{
    audit::{self, Action, AuditEvent, Event},
    password::{Origin, Passwords},
    session,
    throttle::forget_log_ins,
    user::{
        self, Account, AccountState, NewAccount, Taken, User, email::Email, username::Username,
    },
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::{Client, Error, FieldErrors},
};

/// The accounts of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    db: Db,
    clock: Clock,
    passwords: Passwords,
}

/// What somebody typed to get an account.
#[derive(Debug)]
pub struct Application {
    /// To be unique.
    pub username: String,
    /// To be unique; an operator may leave it out.
    pub email: Option<String>,
    /// None for an account that logs in by its name alone.
    pub password: Option<String>,
}

impl Accounts {
    /// The accounts of `db`, whose passwords are hashed `hashes_at_once` at a time.
    ///
    /// # Errors
    /// When the hash's parameters are out of its range.
    pub fn new(db: Db, clock: Clock, hashes_at_once: usize) -> Result<Self, String> {
        let passwords = Passwords::new(hashes_at_once).map_err(|error| error.to_string())?;
        Ok(Self {
            db,
            clock,
            passwords,
        })
    }

    /// The same, with passwords of at least so many characters; 8 if nobody says otherwise.
    #[must_use]
    pub fn with_password_min_length(mut self, chars: usize) -> Self {
        self.passwords.set_min_chars(chars);
        self
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Checks every field of somebody who signs up and hashes the password, in the share of
    /// `origin`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong; [`Error::UsernameTaken`] or
    /// [`Error::EmailTaken`], before any work is spent on the password.
    pub(crate) async fn check(
        &self,
        application: Application,
        origin: Origin,
    ) -> Result<NewAccount, Error> {
        let username = Username::for_sign_up(&application.username);
        self.check_with(username, application, origin).await
    }

    async fn check_with(
        &self,
        username: Result<Username, String>,
        application: Application,
        origin: Origin,
    ) -> Result<NewAccount, Error> {
        let mut errors = FieldErrors::new();
        let username = username
            .map_err(|what| note(&mut errors, "username", what))
            .ok();
        let email = match application.email.as_deref().map(str::parse::<Email>) {
            Some(Err(what)) => {
                note(&mut errors, "email", what);
                None
            }
            Some(Ok(email)) => Some(email),
            None => None,
        };
        let password = application.password;
        let strength = self.passwords.strength();
        if let Some(username) = &username
            && errors.is_empty()
            && password
                .as_deref()
                .is_none_or(|password| strength.has_good_length(password))
        {
            self.refuse_taken(username, email.as_ref()).await?;
        }
        if let Some(password) = &password {
            // What is neither may be as long as the body.
            let inputs = [
                username.as_ref().map(|name| name.as_typed().to_owned()),
                email.as_ref().map(|email| email.as_typed().to_owned()),
            ];
            let inputs = inputs.into_iter().flatten().collect();
            if let Some(what) = strength.weakness(password, inputs, origin).await? {
                note(&mut errors, "password", what);
            }
        }
        let username = match username {
            Some(username) if errors.is_empty() => username,
            _ => return Err(Error::Invalid(errors)),
        };
        let password_hash = match password {
            Some(password) => Some(self.hash(password, origin).await?),
            None => None,
        };
        Ok(NewAccount {
            username,
            email,
            password_hash,
        })
    }

    /// Makes the account for an operator, who may give it a name that looks like another.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong; [`Error::UsernameTaken`] or
    /// [`Error::EmailTaken`].
    pub async fn add(&self, application: Application) -> Result<User, Error> {
        let username = Username::parse(&application.username);
        let account = self.check_with(username, application, None).await?;
        let (tx, user) = self.begin_with(&account).await?;
        let event = Event::new(Action::SignUp, user.id, None);
        audit::commit(&self.db, tx, self.clock.now(), &[event], Vec::new()).await?;
        Ok(user)
    }

    /// Makes the account in a transaction yet to be committed.
    pub(crate) async fn begin_with(&self, account: &NewAccount) -> Result<(Tx, User), Error> {
        let mut tx = self.db.begin().await?;
        if let Some(user) = user::store::insert(&mut tx, account, self.clock.now()).await? {
            return Ok((tx, user));
        }
        drop(tx);
        let refused = self
            .refuse_taken(&account.username, account.email.as_ref())
            .await;
        Err(refused.err().unwrap_or(Error::UsernameTaken))
    }

    async fn refuse_taken(&self, username: &Username, email: Option<&Email>) -> Result<(), Error> {
        match user::store::find_taken(&self.db, username, email).await? {
            None => Ok(()),
            Some(Taken::Username) => Err(Error::UsernameTaken),
            Some(Taken::Email) => Err(Error::EmailTaken),
        }
    }

    /// The account of this name.
    pub async fn find(&self, username: &str) -> Result<Option<Account>, Error> {
        match Username::parse(username) {
            Ok(username) => Ok(user::store::find(&self.db, &username).await?),
            Err(_) => Ok(None),
        }
    }

    /// Up to `limit` accounts in the order of their names, from the one after the cursor
    /// `after`, each with its cursor.
    pub async fn list(&self, after: &str, limit: i64) -> Result<Vec<(String, Account)>, Error> {
        Ok(user::store::list(&self.db, after, limit).await?)
    }

    /// Disables or enables an account. While it is disabled its sessions are answered as
    /// those of a user who is gone; they are removed for good when it is enabled again.
    pub async fn set_state(&self, user: &User, state: AccountState) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        user::store::set_state(&mut tx, user.id, state, self.clock.now()).await?;
        if state == AccountState::Enabled {
            session::store::delete_others(&mut tx, user.id, None).await?;
        }
        let action = match state {
            AccountState::Enabled => Action::EnableAccount,
            AccountState::Disabled => Action::DisableAccount,
        };
        self.commit_ending_all(tx, user.id, action, None).await
    }

    /// Up to `limit` audit events since `since`, oldest first, from the one after the id
    /// `after`; those of one user alone if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit_events(
        &self,
        user: Option<&User>,
        since: Timestamp,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, Error> {
        let user_id = user.map(|user| user.id);
        Ok(audit::list(&self.db, user_id, since, after, limit).await?)
    }

    /// Makes the end of every session of a user last.
    async fn commit_ending_all(
        &self,
        tx: Tx,
        user_id: Uuid,
        action: Action,
        client: Option<&Client>,
    ) -> Result<(), Error> {
        let event = Event::new(action, user_id, client);
        let ended = vec![user_id.into()];
        Ok(audit::commit(&self.db, tx, self.clock.now(), &[event], ended).await?)
    }

    /// Ends every session of a user but `kept`; without a client, an operator does.
    pub(crate) async fn end_sessions(
        &self,
        user_id: Uuid,
        kept: Option<Uuid>,
        client: Option<&Client>,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        user::store::lock(&mut tx, user_id).await?;
        let ended = session::store::delete_others(&mut tx, user_id, kept).await?;
        if ended == 0 && client.is_some() {
            // Another server may have ended them just now.
            self.db.revocations().revoke([user_id.into()]);
            return Ok(());
        }
        self.commit_ending_all(tx, user_id, Action::EndSessions, client)
            .await
    }

    /// Ends every session of a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sign_out(&self, user: &User) -> Result<(), Error> {
        self.end_sessions(user.id, None, None).await
    }

    /// Sets a password, whatever it was, and ends every session of its user.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the password is too easily guessed.
    pub async fn set_password(&self, user: &User, password: String) -> Result<(), Error> {
        self.check_new_password(user, "password", &password, None)
            .await?;
        let hash = self.hash(password, None).await?;
        let mut tx = self.db.begin().await?;
        user::store::set_password(&mut tx, user.id, &hash).await?;
        forget_log_ins(&mut tx, &user.username).await?;
        session::store::delete_others(&mut tx, user.id, None).await?;
        self.commit_ending_all(tx, user.id, Action::ChangePassword, None)
            .await
    }

    /// Refuses a password that is too easily guessed by who knows its user; `field` is what
    /// the error calls it.
    pub(crate) async fn check_new_password(
        &self,
        user: &User,
        field: &str,
        password: &str,
        origin: Origin,
    ) -> Result<(), Error> {
        let inputs = [Some(user.username.clone()), user.email.clone()];
        let inputs = inputs.into_iter().flatten().collect();
        let strength = self.passwords.strength();
        match strength.weakness(password, inputs, origin).await? {
            None => Ok(()),
            Some(what) => Err(Error::invalid(field, what)),
        }
    }

    async fn hash(&self, password: String, origin: Origin) -> Result<String, Error> {
        let permit = self.passwords.permit(origin).await?;
        Ok(self.passwords.hash(permit, password).await?.0)
    }
}

fn note(errors: &mut FieldErrors, field: &str, what: String) {
    errors.entry(field.to_owned()).or_default().push(what);
}
