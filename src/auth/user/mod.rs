//! Users and their accounts.

pub(crate) mod email;
pub(crate) mod store;
pub(crate) mod username;

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use self::{email::Email, username::Username};
use crate::clock::Timestamp;

/// A user as everybody may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, ToSchema)]
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

/// A user with what only the operator may see.
#[derive(Clone, Debug, FromRow)]
pub struct Account {
    /// The user.
    #[sqlx(flatten)]
    pub user: User,
    /// The argon2id hash of the password; none for an account without one.
    pub password_hash: Option<String>,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
    /// When an operator disabled the account.
    pub disabled_at: Option<Timestamp>,
}

impl Account {
    /// Whether the account may be used.
    pub fn state(&self) -> AccountState {
        if self.disabled_at.is_some() {
            AccountState::Disabled
        } else {
            AccountState::Enabled
        }
    }
}

/// A valid new account.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Unique.
    pub username: Username,
    /// Unique, if there is one.
    pub email: Option<Email>,
    /// The hash; none for an account without a password.
    pub password_hash: Option<String>,
}

/// Why an account cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Somebody has the username.
    Username,
    /// Somebody has the e-mail address.
    Email,
}
