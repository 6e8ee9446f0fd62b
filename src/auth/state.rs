//! Accounts, login and sessions on one database.

use std::sync::Arc;

use ipnet::IpNet;
use thiserror::Error;

use super::{
    account::Accounts,
    cookie::{SessionCookie, keys::KeyRing},
    password::Passwords,
    request::layer::SessionLayer,
    session::{Limits, Sessions, timeouts::Timeouts},
    throttle::Throttle,
};
use crate::{
    clock::{Clock, Timestamp},
    db::Db,
    server::settings::Config,
};

/// Accounts, login and sessions on one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    sessions: Sessions,
    accounts: Accounts,
    throttle: Throttle,
    passwordless_login: bool,
    trusted_proxies: Arc<[IpNet]>,
}

/// Why an [`Auth`] could not be built.
#[derive(Debug, Error)]
pub enum AuthError {
    /// There is no key to sign cookies with.
    #[error("SECRET_KEY: is not set")]
    NoSecretKey,
    /// A library below refuses a parameter.
    #[error("{0}")]
    Parameter(String),
}

impl Auth {
    /// An [`Auth`] on a database that has been migrated.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub fn new(config: &Config, db: Db) -> Result<Self, AuthError> {
        Self::with_clock(config, db, Clock::system())
    }

    /// As [`Auth::new`], with a clock of your own.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub fn with_clock(config: &Config, db: Db, clock: Clock) -> Result<Self, AuthError> {
        let secret_key = config.secret_key.as_ref().ok_or(AuthError::NoSecretKey)?;
        let keys = KeyRing::new(secret_key, &config.secret_key_fallbacks);
        let timeouts = Timeouts {
            idle: config.session_idle_timeout,
            absolute: config.session_absolute_timeout,
        };
        let cookie = SessionCookie::new(keys, timeouts.absolute, config.is_production());
        let accounts = Accounts::new(db.clone(), clock.clone(), config.password_hashes_at_once)
            .map_err(AuthError::Parameter)?;
        let limits = Limits {
            timeouts,
            per_user: config.sessions_per_user,
            cache_entries: config.session_cache_entries,
        };
        let sessions = Sessions::new(db, clock, cookie, limits).map_err(AuthError::Parameter)?;
        Ok(Self(Arc::new(Parts {
            sessions,
            accounts,
            throttle: Throttle::new(config),
            passwordless_login: config.passwordless_login,
            trusted_proxies: config.trusted_proxies.as_slice().into(),
        })))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        self.0.sessions.db()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.sessions.now()
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        self.0.accounts.passwords()
    }

    pub(crate) fn throttle(&self) -> Throttle {
        self.0.throttle
    }

    pub(crate) fn passwordless_login(&self) -> bool {
        self.0.passwordless_login
    }

    pub(crate) fn session_layer(&self, with_values: bool) -> SessionLayer {
        SessionLayer {
            sessions: self.0.sessions.clone(),
            trusted_proxies: self.0.trusted_proxies.clone(),
            with_values,
        }
    }
}
