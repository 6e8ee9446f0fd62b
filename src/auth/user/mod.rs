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
pub enum AccountState {
    /// It may.
    Enabled,
    /// An operator has closed it.
    Disabled,
}

/// A user with what only the auth and the operator may see.
#[derive(Clone, Debug, FromRow)]
pub struct Account {
    /// What everybody may see.
    #[sqlx(flatten)]
    pub user: User,
    /// The argon2id hash of the password; none for an account that has no password.
    pub password_hash: Option<String>,
    /// When they last logged in.
    pub last_login_at: Option<Timestamp>,
    /// When an operator closed the account.
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

/// What an account is made of.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Unique.
    pub username: Username,
    /// Unique, if there is one.
    pub email: Option<Email>,
    /// None for an account that has no password.
    pub password_hash: Option<String>,
}

/// What keeps a new account from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Somebody has the username.
    Username,
    /// Somebody has the e-mail address.
    Email,
}
