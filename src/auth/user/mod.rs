//! Users and their accounts.

pub(crate) mod email;
pub(crate) mod store;
pub(crate) mod username;

use std::fmt;

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use self::{email::Email, username::Username};
use crate::clock::Timestamp;

/// A user as everybody may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, ToSchema)]
#[non_exhaustive]
pub struct User {
    /// Never changes.
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    pub id: Uuid,
    /// As typed at sign-up.
    #[schema(example = "Jackson")]
    pub username: String,
    /// None for accounts made without one.
    #[schema(required, example = "jackson@example.com")]
    pub email: Option<String>,
    /// Whether a link that was sent to this address was opened.
    pub email_verified: bool,
    /// When they signed up.
    pub created_at: Timestamp,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountState {
    /// It may be used.
    Enabled,
    /// An operator has disabled it.
    Disabled,
}

/// A user with what only the operator may see. `Debug` does not show the password's hash.
#[derive(Clone, FromRow)]
#[non_exhaustive]
pub struct Account {
    /// The user.
    #[sqlx(flatten)]
    pub user: User,
    /// The argon2id hash of the password; none for an account without one.
    pub password_hash: Option<String>,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
    /// The address that the sign-up has named, where addresses have to be verified, until it was.
    pub pending_email: Option<String>,
    /// When a second factor was turned on: codes of an authenticator app.
    pub totp_since: Option<Timestamp>,
    /// How many passkeys it has.
    #[sqlx(try_from = "i64")]
    pub passkey_count: u64,
    /// When an operator disabled the account.
    pub disabled_at: Option<Timestamp>,
}

impl Account {
    /// The address that is yet to be verified, if there is one.
    pub(crate) fn unverified_email(&self) -> Option<&str> {
        match &self.user.email {
            Some(email) => (!self.user.email_verified).then_some(email),
            None => self.pending_email.as_deref(),
        }
    }

    /// Whether the account may be used.
    pub fn state(&self) -> AccountState {
        if self.disabled_at.is_some() {
            AccountState::Disabled
        } else {
            AccountState::Enabled
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .field("last_login_at", &self.last_login_at)
            .field("disabled_at", &self.disabled_at)
            .finish_non_exhaustive()
    }
}

/// A valid new account. `Debug` does not show the password's hash.
#[derive(Clone)]
pub(crate) struct NewAccount {
    /// Unique.
    pub username: Username,
    /// Unique, if there is one.
    pub email: Option<Email>,
    /// An address that is yet to be verified, in the place of `email`; others may have it.
    pub pending_email: Option<Email>,
    /// The hash; none for an account without a password.
    pub password_hash: Option<String>,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount")
            .field("username", &self.username)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// Why an account cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Somebody has the username.
    Username,
    /// Somebody has the e-mail address.
    Email,
}
