//! What an account is made of.

/// What somebody typed to get an account.
#[derive(Debug)]
#[non_exhaustive]
pub struct Application {
    /// To be unique.
    pub username: String,
    /// To be unique; an operator may leave it out.
    pub email: Option<String>,
    /// None for an account that logs in by its name alone.
    pub password: Option<String>,
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
