//! The product: accounts, log-in and sessions, to be mounted in any axum app.
//!
//! [`Gate::router`] serves the routes and [`Gate::protect`] puts a session around routes of
//! your own, which then take [`CurrentUser`] (401 for visitors), `Option<CurrentUser>`, or
//! the [`Session`] to keep values in.

mod account_routes;
mod accounts;
mod address_limit;
mod argon2_memory;
mod audit;
mod cookie;
mod counted;
mod credentials;
mod current_user;
mod email;
mod endings;
mod fair_queue;
mod keys;
mod live_session;
mod logged_out;
mod lookup;
mod low_priority;
mod password;
mod purge;
mod record;
mod record_store;
mod request_session;
mod resigning;
mod routes;
mod session_cache;
mod session_changes;
mod session_layer;
mod session_reader;
mod session_token;
mod sessions;
mod state;
mod strength;
mod tallies;
mod throttle;
mod timeouts;
mod to_the_end;
mod touches;
mod username;
mod users;
mod visitor;

pub use accounts::{Accounts, Application};
pub use address_limit::AddressLimit;
pub use audit::AuditEvent;
pub use current_user::CurrentUser;
pub use email::Email;
pub use purge::keep_purging;
pub use record::MAX_SESSION_BYTES;
pub use state::{Gate, GateError};
pub use tower_sessions::Session;
pub use username::Username;
pub use users::{Account, AccountState, NewAccount, User};
pub use visitor::Visitor;

/// What `benches/pieces.rs` measures one by one; for nobody else, and not to be relied on.
#[doc(hidden)]
pub mod pieces {
    pub use super::{
        cookie::{NoSession, SessionCookie},
        keys::{KeyRing, Verified},
        session_token::SessionToken,
    };
}
