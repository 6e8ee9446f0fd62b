//! What sign-up and an operator do to accounts.

mod application;
pub(crate) mod credentials;
pub(crate) mod hooks;

pub use application::Application;

use uuid::Uuid;

use super::{
    audit::{self, Action, AuditEvent, Event},
    password::{Origin, Passwords},
    session,
    throttle::forget_log_ins,
    user::{
        self, Account, AccountState, NewAccount, Taken, User,
        email::Email,
        username::{Username, UsernameError},
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

impl Accounts {
    /// The accounts of `db`, whose passwords are hashed `hashes_at_once` at a time.
    ///
    /// # Errors
    /// When the hash's parameters are out of its range.
    pub fn new(db: Db, clock: Clock, hashes_at_once: usize) -> Result<Self, Error> {
        let passwords =
            Passwords::new(hashes_at_once).map_err(|error| Error::internal(error.to_string()))?;
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
        username: Result<Username, UsernameError>,
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

    /// The account of this user.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_by_id(&self, id: Uuid) -> Result<Option<Account>, Error> {
        Ok(user::store::find_by_id(&self.db, id).await?)
    }

    /// The account of this name, however it is spelled.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_by_username(&self, username: &str) -> Result<Option<Account>, Error> {
        match Username::parse(username) {
            Ok(username) => Ok(user::store::find(&self.db, &username).await?),
            Err(_) => Ok(None),
        }
    }

    /// The account of this e-mail address, however it is spelled.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        match email.parse::<Email>() {
            Ok(email) => Ok(user::store::find_by_email(&self.db, &email).await?),
            Err(_) => Ok(None),
        }
    }

    /// Up to `limit` accounts in the order of their names, from the one after the cursor
    /// `after`, each with its cursor.
    pub async fn list(&self, after: &str, limit: i64) -> Result<Vec<(String, Account)>, Error> {
        Ok(user::store::list(&self.db, after, limit).await?)
    }

    /// Disables or enables an account. While it is disabled its sessions count as those of a user
    /// who is gone; they are removed for good when it is enabled again.
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
        self.commit_for(tx, user.id, action, None).await
    }

    /// Up to `limit` audit events since `since`, oldest first, from the one after the id
    /// `after`; those of one user alone if there is one.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn audit_events(
        &self,
        user: Option<&User>,
        since: Timestamp,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<AuditEvent>, Error> {
        let user_id = user.map(|user| user.id);
        Ok(audit::store::list(&self.db, user_id, since, after, limit).await?)
    }

    /// Commits what changes a user, and invalidates every session of theirs.
    async fn commit_for(
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
        self.commit_for(tx, user_id, Action::EndSessions, client)
            .await
    }

    /// Ends every session of a user.
    ///
    /// # Errors
    /// When the database is not available.
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
        self.commit_for(tx, user.id, Action::ChangePassword, None)
            .await
    }

    /// Changes a username; sessions go on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not a username, [`Error::UsernameTaken`], and
    /// [`Error::NotFound`] when the account was deleted.
    pub async fn change_username(&self, user: &User, username: &str) -> Result<User, Error> {
        let username = Username::parse(username)
            .map_err(|what| Error::invalid("username", what.to_string()))?;
        let mut tx = self.db.begin().await?;
        let changed = user::store::change_username(&mut tx, user.id, &username).await;
        let changed = changed
            .map_err(|error| taken(error, Error::UsernameTaken))?
            .ok_or(Error::NotFound)?;
        session::rename_user(&mut tx, &changed).await?;
        self.commit_for(tx, user.id, Action::ChangeUsername, None)
            .await?;
        Ok(changed)
    }

    /// Changes an e-mail address, or takes it away; sessions go on.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is not an address, [`Error::EmailTaken`], and
    /// [`Error::NotFound`] when the account was deleted.
    pub async fn change_email(&self, user: &User, email: Option<&str>) -> Result<User, Error> {
        let email = email.map(str::parse::<Email>).transpose();
        let email = email.map_err(|what| Error::invalid("email", what.to_string()))?;
        let mut tx = self.db.begin().await?;
        let changed = user::store::change_email(&mut tx, user.id, email.as_ref()).await;
        let changed = changed
            .map_err(|error| taken(error, Error::EmailTaken))?
            .ok_or(Error::NotFound)?;
        self.commit_for(tx, user.id, Action::ChangeEmail, None)
            .await?;
        Ok(changed)
    }

    /// Deletes an account and ends its sessions, on every node; its name and address are free
    /// again. Rows of yours that refer to it must allow for that (`on delete cascade`, say).
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was deleted already.
    pub async fn delete(&self, user: &User) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        if !user::store::delete(&mut tx, user.id).await? {
            return Err(Error::NotFound);
        }
        forget_log_ins(&mut tx, &user.username).await?;
        session::store::delete_others(&mut tx, user.id, None).await?;
        self.commit_for(tx, user.id, Action::DeleteAccount, None)
            .await
    }

    /// Refuses a password that is too easily guessed by somebody who knows its user; `field` is
    /// what the error calls it.
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

/// The error of a change that is refused because somebody has the name or address.
fn taken(error: sqlx::Error, taken: Error) -> Error {
    let is_taken = error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation());
    if is_taken { taken } else { error.into() }
}

fn note(errors: &mut FieldErrors, field: &str, what: impl ToString) {
    let messages = errors.entry(field.to_owned()).or_default();
    messages.push(what.to_string());
}
