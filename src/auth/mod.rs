//! Accounts, login and sessions, to be mounted in any axum app.
//!
//! [`Auth::router`] serves the routes and [`Auth::protect`] puts a session around routes of
//! your own, which then take [`CurrentUser`] (401 for visitors), `Option<CurrentUser>`, or
//! the [`Session`] to keep values in.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod cookie;
pub(crate) mod password;
pub(crate) mod purge;
pub(crate) mod request;
mod routes;
pub(crate) mod session;
mod state;
pub(crate) mod throttle;

pub use account::{
    Accounts, Application,
    email::Email,
    user::{Account, AccountState, NewAccount, User},
    username::Username,
};
pub use audit::AuditEvent;
pub use cookie::secret::{Secret, generate_secret_key};
pub use purge::keep_purging;
pub use request::{extract::CurrentUser, visitor::Visitor};
pub use state::{Auth, AuthError};
pub use throttle::rate_limit::RateLimit;
pub use tower_sessions::Session;

/// What `benches/pieces.rs` measures one by one; for nobody else, and not to be relied on.
#[doc(hidden)]
pub mod pieces {
    pub use super::cookie::{
        NoSession, SessionCookie,
        keys::{KeyRing, Verified},
        token::SessionToken,
    };
}
