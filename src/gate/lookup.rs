//! What a request's cookie stands for, looked up once and only when somebody asks.

use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::{
    cookie::NoSession,
    logged_out::LoggedOut,
    sessions::{self, LiveSession},
    state::Gate,
};

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
