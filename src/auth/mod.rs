//! Accounts, login and sessions, to be mounted in any axum app.
//!
//! [`Auth::router`] serves the routes. [`Auth::layer`] gives the requests of your own routes a
//! session: their handlers can take [`CurrentUser`] (visitors get a 401 with the reason),
//! `Option<CurrentUser>`, or the [`Session`] to keep values in.

pub(crate) mod account;
pub(crate) mod audit;
mod builder;
pub(crate) mod cookie;
pub(crate) mod password;
mod purge;
pub(crate) mod request;
mod routes;
pub(crate) mod session;
pub(crate) mod throttle;

use std::sync::Arc;

use ipnet::IpNet;

pub use self::{
    account::{
        Accounts, Application,
        email::Email,
        hooks::HookFuture,
        user::{Account, AccountState, NewAccount, User},
        username::Username,
    },
    audit::AuditEvent,
    builder::{AuthBuilder, BuildError},
    cookie::secret::{Secret, generate_secret_key},
    purge::keep_purging,
    request::{
        extract::{CurrentUser, RequestSession},
        layer::{SessionLayer, WithSession},
        require::{Require, RequireLayer},
        visitor::Visitor,
    },
    session::record::MAX_SESSION_BYTES,
    throttle::{AddressLimit, rate_limit::RateLimit},
};
pub use tower_sessions::Session;

pub(crate) use builder::spare_cores;

use self::{
    account::hooks::Hooks, audit::Action, password::Passwords, session::Sessions,
    throttle::Throttle,
};
use crate::{
    clock::Timestamp,
    db::Db,
    http::{Error, run_to_completion},
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
    hooks: Hooks,
}

impl Auth {
    /// Settings for accounts and sessions on `db`.
    pub fn builder(db: Db) -> AuthBuilder {
        AuthBuilder::new(db)
    }

    /// The database.
    pub fn db(&self) -> &Db {
        self.0.sessions.db()
    }

    /// The present moment, by the clock of the builder.
    pub fn now(&self) -> Timestamp {
        self.0.sessions.now()
    }

    /// The accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Gives requests a session, for `Router::layer`. Applied twice, the outer one counts.
    pub fn layer(&self) -> SessionLayer {
        self.session_layer(true)
    }

    /// Lets requests of users pass for whom `is_allowed` is true, for `Router::layer`; others
    /// get 403, visitors 401. It brings [`Auth::layer`] along.
    pub fn require<F>(&self, is_allowed: F) -> RequireLayer<F>
    where
        F: Fn(&User) -> bool + Clone + Send + Sync + 'static,
    {
        RequireLayer::new(self.layer(), is_allowed)
    }

    /// Logs `user` in on a new session, from a handler of your own that has verified them; the
    /// session that came with the request ends. The response sets the cookie.
    ///
    /// # Errors
    /// [`Error::BadCredentials`] when the account was deleted or disabled.
    pub async fn log_in(&self, session: &RequestSession, user: &User) -> Result<(), Error> {
        let (auth, id) = (self.clone(), user.id);
        let RequestSession { handle, client } = session.clone();
        run_to_completion(async move {
            let account = account::store::find_by_id(auth.db(), id).await?;
            let account = account.ok_or(Error::BadCredentials)?;
            let replaced = handle.replaced().await?;
            let mut tx = auth.db().begin().await?;
            if !account::store::note_login(&mut tx, &account, auth.now()).await? {
                return Err(Error::BadCredentials);
            }
            handle
                .log_in(tx, &account.user, &client, replaced, Action::LogIn)
                .await
        })
        .await
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

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
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

/// What `benches/pieces.rs` measures one by one; for nobody else, and not to be relied on.
#[doc(hidden)]
pub mod pieces {
    pub use super::cookie::{
        NoSession, SessionCookie,
        keys::{KeyRing, Verified},
        token::SessionToken,
    };
}
