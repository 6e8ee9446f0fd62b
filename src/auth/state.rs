//! What the auth's handlers share.

use std::{sync::Arc, time::Duration};

use ipnet::IpNet;
use thiserror::Error;
use tower_sessions::SessionStore;

use super::{
    account::Accounts,
    cookie::{SessionCookie, keys::KeyRing},
    password::Passwords,
    session::{cache::SessionCache, reader::SessionReader, timeouts::Timeouts},
    throttle::Throttle,
};
use crate::{
    clock::{Clock, Timestamp},
    db::Db,
    server::settings::Config,
};

/// The auth: accounts, log-in and sessions on one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Auth(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    clock: Clock,
    record_reader: Arc<dyn SessionStore>,
    session_reader: SessionReader,
    cookie: SessionCookie,
    accounts: Accounts,
    cache: SessionCache,
    timeouts: Timeouts,
    throttle: Throttle,
    sessions_per_user: i64,
    passwordless_login: bool,
    trusted_proxies: Vec<IpNet>,
}

/// What keeps a auth from being built.
#[derive(Debug, Error)]
pub enum AuthError {
    /// There is nothing to sign cookies with.
    #[error("SECRET_KEY: is not set")]
    NoSecretKey,
    /// A parameter that a library below does not take.
    #[error("{0}")]
    Parameter(String),
}

impl Auth {
    /// A auth on a database that has been migrated.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub fn new(config: &Config, db: Db) -> Result<Self, AuthError> {
        Self::with_clock(config, db, Clock::system())
    }

    /// A auth that reads the time from `clock`.
    ///
    /// # Errors
    /// When there is no key to sign with.
    pub fn with_clock(config: &Config, db: Db, clock: Clock) -> Result<Self, AuthError> {
        let secret_key = config.secret_key.as_ref().ok_or(AuthError::NoSecretKey)?;
        let keys = KeyRing::new(secret_key, &config.secret_key_fallbacks);
        let max_age: Duration = config.session_absolute_timeout;
        let timeouts = Timeouts {
            idle: config.session_idle_timeout,
            absolute: config.session_absolute_timeout,
        };
        let accounts = Accounts::new(db.clone(), clock.clone(), config.password_hashes_at_once)
            .map_err(AuthError::Parameter)?;
        let cache = SessionCache::new(db.clone(), timeouts, config.session_cache_entries);
        Ok(Self(Arc::new(Parts {
            accounts,
            cache,
            record_reader: db.record_reader().map_err(AuthError::Parameter)?,
            session_reader: SessionReader::new(db.clone()),
            db,
            clock,
            cookie: SessionCookie::new(keys, max_age, config.is_production()),
            timeouts,
            throttle: Throttle::new(config),
            sessions_per_user: i64::try_from(config.sessions_per_user).unwrap_or(i64::MAX),
            passwordless_login: config.passwordless_login,
            trusted_proxies: config.trusted_proxies.clone(),
        })))
    }

    /// The database the auth stands on.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn record_reader(&self) -> &dyn SessionStore {
        &*self.0.record_reader
    }

    pub(crate) fn session_reader(&self) -> &SessionReader {
        &self.0.session_reader
    }

    pub(crate) fn cache(&self) -> &SessionCache {
        &self.0.cache
    }

    pub(crate) fn cookie(&self) -> &SessionCookie {
        &self.0.cookie
    }

    /// The accounts behind the auth.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        self.0.accounts.passwords()
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    pub(crate) fn throttle(&self) -> Throttle {
        self.0.throttle
    }

    pub(crate) fn sessions_per_user(&self) -> i64 {
        self.0.sessions_per_user
    }

    pub(crate) fn passwordless_login(&self) -> bool {
        self.0.passwordless_login
    }

    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.0.trusted_proxies
    }
}
