//! What an account is made of.

use std::fmt;

/// The fields of a new account, as typed. `Debug` does not show the password.
#[non_exhaustive]
pub struct Application {
    /// Must not be taken.
    pub username: String,
    /// Must not be taken; an operator may leave it out.
    pub email: Option<String>,
    /// None for an account that logs in by its name alone.
    pub(crate) password: Option<String>,
}

impl Application {
    /// For an account without an address or a password.
    pub fn new(username: impl Into<String>) -> Self {
        Self {
            username: username.into(),
            email: None,
            password: None,
        }
    }

    /// With this address, if any.
    #[must_use]
    pub fn email(self, email: impl Into<Option<String>>) -> Self {
        Self {
            email: email.into(),
            ..self
        }
    }

    /// With this password, if any.
    #[must_use]
    pub fn password(self, password: impl Into<Option<String>>) -> Self {
        Self {
            password: password.into(),
            ..self
        }
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application")
            .field("username", &self.username)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}
