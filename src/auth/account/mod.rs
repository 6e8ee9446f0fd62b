//! What sign-up and an operator do to accounts.

mod application;
mod changes;
pub(crate) mod credentials;
pub(crate) mod email;
pub(crate) mod hooks;
mod invitation;
mod reauthentication;
mod recovery;
#[cfg(feature = "server")]
mod sessions;
mod sign_up;
mod store;

pub use application::Application;
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(in crate::auth) use changes::lock_logged_in;

use uuid::Uuid;

use super::{
    audit::{self, Action, AuditEvent, Event},
    letters::{Letters, letter::Letter},
    password::{Origin, Passwords},
    user::{
        self, Account, NewAccount, Taken, User,
        email::Email,
        username::{Username, UsernameError},
    },
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::{Error, FieldErrors},
};

/// The accounts of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    db: Db,
    clock: Clock,
    passwords: Passwords,
    letters: Letters,
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
            letters: Letters::default(),
        })
    }

    /// The same, with passwords of at least so many characters; 8 if nobody says otherwise.
    #[must_use]
    pub fn with_password_min_length(mut self, chars: usize) -> Self {
        self.passwords.set_min_chars(chars);
        self
    }

    /// The same, which write to their users.
    #[must_use]
    pub(crate) fn with_letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    pub(crate) fn letters(&self) -> &Letters {
        &self.letters
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
        let is_pending = self.letters.requires_verification();
        self.check_with(username, application, origin, is_pending)
            .await
    }

    async fn check_with(
        &self,
        username: Result<Username, UsernameError>,
        application: Application,
        origin: Origin,
        is_pending: bool,
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
            // Where an address has to be verified first, whether it is taken is for its owner alone.
            let email = email.as_ref().filter(|_| !is_pending);
            self.refuse_taken(username, email).await?;
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
        let (email, pending_email) = match is_pending {
            true => (None, email),
            false => (email, None),
        };
        Ok(NewAccount {
            username,
            email,
            pending_email,
            password_hash,
        })
    }

    /// Makes the account for an operator, who may give it a name that looks like another.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong; [`Error::UsernameTaken`] or
    /// [`Error::EmailTaken`].
    pub async fn add(&self, application: Application) -> Result<User, Error> {
        self.add_because(application, Action::SignUp, |_| None)
            .await
    }

    /// As [`add`](Self::add); the user gets a letter, if any.
    async fn add_because(
        &self,
        application: Application,
        action: Action,
        letter: fn(&User) -> Option<Letter>,
    ) -> Result<User, Error> {
        let username = Username::parse(&application.username);
        let account = self.check_with(username, application, None, false).await?;
        let add = (self.clone(), account);
        let added = self.db.write(add, move |(accounts, account), tx| {
            Box::pin(async move {
                let now = accounts.now();
                let user = accounts.insert(tx, account, now, None).await?;
                if let Some(letter) = letter(&user) {
                    accounts.letters.put(tx, now, letter).await?;
                }
                audit::record(tx, now, [Event::new(action, user.id, None)]).await?;
                Ok::<_, Error>(user)
            })
        });
        added.await
    }

    /// Inserts the account, with the time of its first login.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`] or [`Error::EmailTaken`].
    pub(crate) async fn insert(
        &self,
        tx: &mut Tx,
        account: &NewAccount,
        now: Timestamp,
        last_login_at: Option<Timestamp>,
    ) -> Result<User, Error> {
        if let Some(user) = user::store::insert(tx, account, now, last_login_at).await? {
            return Ok(user);
        }
        let (username, email) = (&account.username, account.email.as_ref());
        match user::store::find_taken_in_tx(tx, username, email).await? {
            Some(Taken::Email) => Err(Error::EmailTaken),
            Some(Taken::Username) | None => Err(Error::UsernameTaken),
        }
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

fn note(errors: &mut FieldErrors, field: &str, what: impl ToString) {
    let messages = errors.entry(field.to_owned()).or_default();
    messages.push(what.to_string());
}
