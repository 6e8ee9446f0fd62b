//! Accounts, login and sessions, to be mounted in any axum app.
//!
//! [`Auth::router`] serves the routes. [`Auth::layer`] gives the requests of your own routes a
//! session: their handlers can take [`CurrentUser`] (visitors get a 401 with the reason),
//! `Option<CurrentUser>`, [`RecentlyAuthenticated`] where it matters, or the [`Session`] to keep values
//! in.

pub(crate) mod account;
pub(crate) mod audit;
mod builder;
pub(crate) mod cookie;
pub(crate) mod letters;
#[cfg(feature = "passkeys")]
pub(crate) mod passkey;
pub(crate) mod password;
mod purge;
pub(crate) mod request;
mod routes;
pub(crate) mod session;
mod state;
pub(crate) mod statistics;
pub(crate) mod throttle;
pub(crate) mod tokens;
#[cfg(feature = "totp")]
pub(crate) mod totp;
pub(crate) mod user;

pub use self::{
    account::{Accounts, Application, hooks::HookFuture},
    audit::AuditEvent,
    builder::{AuthBuilder, BuildError},
    cookie::secret::{Secret, SecretError, generate_secret_key},
    letters::EmailVerification,
    request::{
        extract::{CurrentUser, RequestSession},
        info::{Reauthentication, SessionDates, SessionInfo},
        layer::{SessionLayer, WithSession},
        recent::RecentlyAuthenticated,
        require::{Require, RequireLayer},
        second_factor::SecondFactor,
        visitor::Visitor,
    },
    session::{
        events::{EndReason, SessionEvent, SessionEvents},
        record::MAX_SESSION_BYTES,
    },
    state::{Auth, keep_mailing, keep_purging},
    statistics::{Logins, Statistics},
    throttle::{AddressLimit, rate_limit::RateLimit},
    user::{
        Account, AccountState, User,
        email::{Email, EmailError},
        username::{Username, UsernameError},
    },
};
#[cfg(feature = "passkeys")]
pub use passkey::{OwnPasskey, RelyingParty};
pub use tower_sessions::Session;

#[cfg(feature = "server")]
pub(crate) use {
    builder::spare_cores,
    cookie::keys::{derive_key, key_id},
    letters::{Letters, check_mail_templates},
};

/// What `benches/pieces.rs` measures one by one; for nobody else, and not to be relied on.
#[doc(hidden)]
pub mod pieces {
    pub use super::cookie::{
        NoSession, SessionCookie,
        keys::{KeyRing, Verified},
        token::SessionToken,
    };
}
