//! What a request's cookie stands for, looked up once and only when somebody asks.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::{
    cookie::NoSession,
    live_session::LiveSession,
    session_cache::Known,
    sessions::{self, NotLive},
    state::Gate,
};
use crate::http::Error;

/// Why nobody is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoggedOut {
    Cookie(NoSession),
    Session(NotLive),
    /// There is a session, but only a visitor's.
    Visitor,
}

/// The session, or why there is none.
pub(super) type Found = Result<Arc<LiveSession>, LoggedOut>;

/// The session of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Lookup {
    /// No cookie names one.
    Nothing(NoSession),
    /// It was in memory.
    Known(Known),
    /// The database is to say.
    Asked(Arc<Asked>),
}

/// A session that the database is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    id: Id,
    /// Where it is to be kept in memory.
    cookie: Option<Box<[u8]>>,
    found: OnceCell<Found>,
}

impl Lookup {
    /// Of a session whose id is known to be right; to be kept in memory under `cookie`.
    pub fn ask(id: Id, cookie: Option<Box<[u8]>>) -> Self {
        Self::Asked(Arc::new(Asked {
            id,
            cookie,
            found: OnceCell::new(),
        }))
    }

    /// The id that the cookie names, whatever it stands for.
    pub fn id(&self) -> Option<Id> {
        match self {
            Self::Nothing(_) => None,
            Self::Known(known) => Some(known.session.id),
            Self::Asked(asked) => Some(asked.id),
        }
    }

    /// Whether it was looked up and there is one.
    pub fn has_found(&self) -> bool {
        match self {
            Self::Nothing(_) => false,
            Self::Known(_) => true,
            Self::Asked(asked) => asked.found.get().is_some_and(Result::is_ok),
        }
    }

    /// The session, or why there is none. A database error is neither.
    pub async fn find(&self, gate: &Gate) -> sqlx::Result<Found> {
        match self {
            Self::Nothing(reason) => Ok(Err(LoggedOut::Cookie(*reason))),
            Self::Known(known) if gate.cache().still_counts(known) => {
                gate.cache().note_use(&known.session, gate.now());
                Ok(Ok(known.session.clone()))
            }
            Self::Known(known) => find(gate, known.session.id, None).await,
            Self::Asked(asked) => {
                let Asked { id, cookie, found } = &**asked;
                let found = found.get_or_try_init(|| find(gate, *id, cookie.as_deref()));
                found.await.cloned()
            }
        }
    }
}

async fn find(gate: &Gate, id: Id, cookie: Option<&[u8]>) -> sqlx::Result<Found> {
    let cache = gate.cache();
    let (stamp, last_use) = cache.begin_read(id);
    let row = gate.session_reader().read(id).await?;
    let now = gate.now();
    let session = match sessions::live(id, row, gate.timeouts(), now, last_use) {
        Ok(session) => Arc::new(session),
        Err(reason) => return Ok(Err(LoggedOut::Session(reason))),
    };
    cache.note_use(&session, now);
    if let Some(cookie) = cookie {
        let session = session.clone();
        cache.put(cookie.into(), Known { session, stamp });
    }
    Ok(Ok(session))
}

impl LoggedOut {
    /// The 401 that tells a developer what to look at.
    pub fn into_error(self, cookie_name: &str) -> Error {
        let (reason, detail) = match self {
            Self::Cookie(NoSession::NoCookie) => (
                "no_cookie",
                format!(
                    "No `{cookie_name}` cookie came with the request. Log in first; then send it: \
                     `credentials: \"include\"` in fetch, `-b` and `-c` in curl. Browsers keep it \
                     to the host that set it, and a Secure cookie to https."
                ),
            ),
            Self::Cookie(NoSession::BadSignature) => (
                "bad_signature",
                format!(
                    "The `{cookie_name}` cookie is not one that this server signed: it was \
                     changed on the way, or SECRET_KEY was and the old one is not in \
                     SECRET_KEY_FALLBACKS."
                ),
            ),
            Self::Cookie(NoSession::SentTwice) => (
                "bad_signature",
                format!(
                    "Two cookies named `{cookie_name}` came with the request and nothing tells \
                     which is ours. Delete the one that another host or path has set."
                ),
            ),
            Self::Session(NotLive::Unknown) => (
                "unknown_session",
                "The session has ended: it was logged out, revoked, replaced by a newer log-in \
                 or belongs to another database."
                    .to_owned(),
            ),
            Self::Visitor => (
                "unknown_session",
                "The session is a visitor's: nobody has logged in on it.".to_owned(),
            ),
            Self::Session(NotLive::Expired) => (
                "expired",
                "The session was unused for SESSION_IDLE_TIMEOUT, or is older than \
                 SESSION_ABSOLUTE_TIMEOUT."
                    .to_owned(),
            ),
            Self::Session(NotLive::UserGone) => (
                "user_gone",
                "The user of this session has been deleted or disabled.".to_owned(),
            ),
        };
        Error::NotLoggedIn { reason, detail }
    }
}
