//! What sign-up and an operator do to accounts.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    email::Email,
    password::Passwords,
    revocations::Revocations,
    sessions,
    username::Username,
    users::{self, Account, AccountState, NewAccount, Taken, User},
};
use crate::{
    clock::Clock,
    db::{Db, Tx},
    http::{Error, FieldErrors},
};

/// The accounts of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    db: Db,
    clock: Clock,
    passwords: Passwords,
    revocations: Revocations,
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
            revocations: Revocations::default(),
        })
    }

    pub(super) fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// What the changes made here take back of what is in memory.
    pub(super) fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Checks every field and hashes the password.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong; [`Error::UsernameTaken`] or
    /// [`Error::EmailTaken`], before any work is spent on the hash.
    pub async fn check(&self, application: Application) -> Result<NewAccount, Error> {
        let mut errors = FieldErrors::new();
        let username = Username::parse(&application.username);
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
        if let Some(password) = &application.password {
            let inputs = [Some(application.username), application.email]
                .into_iter()
                .flatten();
            if let Some(what) = self.passwords.weakness(password, inputs.collect()).await? {
                note(&mut errors, "password", what);
            }
        }
        let username = match username {
            Some(username) if errors.is_empty() => username,
            _ => return Err(Error::Invalid(errors)),
        };
        self.refuse_taken(&username, email.as_ref()).await?;
        let password_hash = match application.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        Ok(NewAccount {
            username,
            email,
            password_hash,
        })
    }

    /// Makes the account.
    ///
    /// # Errors
    /// As [`Accounts::check`].
    pub async fn add(&self, application: Application) -> Result<User, Error> {
        let account = self.check(application).await?;
        let (tx, user) = self.begin_with(&account).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Makes the account in a transaction yet to be committed.
    pub(super) async fn begin_with(&self, account: &NewAccount) -> Result<(Tx, User), Error> {
        let mut tx = self.db.begin().await?;
        if let Some(user) = users::insert(&mut tx, account, self.clock.now()).await? {
            return Ok((tx, user));
        }
        drop(tx);
        let refused = self
            .refuse_taken(&account.username, account.email.as_ref())
            .await;
        Err(refused.err().unwrap_or(Error::UsernameTaken))
    }

    async fn refuse_taken(&self, username: &Username, email: Option<&Email>) -> Result<(), Error> {
        match users::find_taken(&self.db, username, email).await? {
            None => Ok(()),
            Some(Taken::Username) => Err(Error::UsernameTaken),
            Some(Taken::Email) => Err(Error::EmailTaken),
        }
    }

    /// The account of this name.
    pub async fn find(&self, username: &str) -> Result<Option<Account>, Error> {
        match Username::parse(username) {
            Ok(username) => Ok(users::find(&self.db, &username).await?),
            Err(_) => Ok(None),
        }
    }

    /// Up to `limit` accounts in the order of their names, from the one after the cursor
    /// `after`, each with its cursor.
    pub async fn list(&self, after: &str, limit: i64) -> Result<Vec<(String, Account)>, Error> {
        Ok(users::list(&self.db, after, limit).await?)
    }

    /// Disables or enables an account. While it is disabled its sessions are answered as
    /// those of a user who is gone; they are removed for good when it is enabled again.
    pub async fn set_state(&self, user: &User, state: AccountState) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        users::set_state(&mut tx, user.id, state, self.clock.now()).await?;
        if state == AccountState::Enabled {
            sessions::delete_others(&mut tx, user.id, None).await?;
        }
        Ok(self.revocations.commit(tx, vec![user.id.into()]).await?)
    }

    /// Ends every session of a user but `kept`.
    pub(super) async fn end_sessions(&self, user_id: Uuid, kept: Option<Uuid>) -> sqlx::Result<()> {
        let mut tx = self.db.begin().await?;
        users::lock(&mut tx, user_id).await?;
        sessions::delete_others(&mut tx, user_id, kept).await?;
        self.revocations.commit(tx, vec![user_id.into()]).await
    }

    /// Ends every session of a user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sign_out(&self, user: &User) -> Result<(), Error> {
        Ok(self.end_sessions(user.id, None).await?)
    }

    /// Sets a password, whatever it was, and ends every session of its user.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the password is too easily guessed.
    pub async fn set_password(&self, user: &User, password: String) -> Result<(), Error> {
        let hash = self.hash_new_password(user, "password", password).await?;
        let mut tx = self.db.begin().await?;
        users::set_password(&mut tx, user.id, &hash).await?;
        sessions::delete_others(&mut tx, user.id, None).await?;
        Ok(self.revocations.commit(tx, vec![user.id.into()]).await?)
    }

    /// The hash of a user's new password, if it is strong enough; `field` is what the error
    /// calls it.
    pub(super) async fn hash_new_password(
        &self,
        user: &User,
        field: &str,
        password: String,
    ) -> Result<String, Error> {
        let inputs = [Some(user.username.clone()), user.email.clone()]
            .into_iter()
            .flatten();
        if let Some(what) = self.passwords.weakness(&password, inputs.collect()).await? {
            return Err(Error::Invalid(BTreeMap::from([(
                field.to_owned(),
                vec![what],
            )])));
        }
        self.passwords.hash(password).await
    }
}

fn note(errors: &mut FieldErrors, field: &str, what: String) {
    errors.entry(field.to_owned()).or_default().push(what);
}
