//! What a request's cookie stands for, looked up once and only when somebody asks.

use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::{
    cookie::NoSession,
    sessions::{self, LiveSession, NotLive},
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

/// The session of one request.
#[derive(Debug)]
pub(super) struct Lookup {
    gate: Gate,
    cookie: Result<Id, NoSession>,
    found: OnceCell<Result<LiveSession, LoggedOut>>,
}

impl Lookup {
    pub fn new(gate: Gate, cookie: Result<Id, NoSession>) -> Self {
        Self {
            gate,
            cookie,
            found: OnceCell::new(),
        }
    }

    /// The id that the cookie names, whatever it stands for.
    pub fn id(&self) -> Option<Id> {
        self.cookie.ok()
    }

    /// The session, if it was looked up and is not over.
    pub fn found(&self) -> Option<&LiveSession> {
        self.found.get().and_then(|found| found.as_ref().ok())
    }

    /// The session, or why there is none. A database error is neither.
    pub async fn find(&self) -> sqlx::Result<&Result<LiveSession, LoggedOut>> {
        self.found
            .get_or_try_init(async || {
                let id = match self.cookie {
                    Ok(id) => id,
                    Err(reason) => return Ok(Err(LoggedOut::Cookie(reason))),
                };
                let now = self.gate.now();
                let timeouts = self.gate.timeouts();
                let found = sessions::find(self.gate.db(), id, timeouts, now).await?;
                if let Ok(session) = &found {
                    self.touch(id, session).await;
                }
                Ok(found.map_err(LoggedOut::Session))
            })
            .await
    }

    /// Slides the idle timeout. That it could not be written down is no reason to turn
    /// away somebody who is logged in.
    async fn touch(&self, id: Id, session: &LiveSession) {
        let now = self.gate.now();
        let timeouts = self.gate.timeouts();
        let due = timeouts.touch_due(now);
        if session.last_seen_at <= due {
            let expires_at = timeouts.expires_at(session.created_at, now);
            let touched = sessions::touch(self.gate.db(), id, now, expires_at, due).await;
            if let Err(error) = touched {
                tracing::warn!(%error, "the use of a session could not be written down");
            }
        }
    }
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
