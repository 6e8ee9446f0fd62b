//! What becomes of a session while somebody follows it.

mod end_reason;
mod places;
mod store;
mod sweep;

pub use end_reason::EndReason;
pub(crate) use places::Places;
pub(super) use sweep::Followers;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use serde::Serialize;
use tokio::{sync::Semaphore, time::sleep};
use tower_sessions::session::Id;
use uuid::Uuid;

use self::{store::Ended, sweep::Following};
use super::{
    Sessions,
    device::DeviceProof,
    live::{self, LiveSession, NotLive},
};
use crate::{
    auth::{audit::Action, cookie::token::SessionToken},
    clock::{CLOCKS_APART, Timestamp},
    db::Listener,
    http::Error,
};

/// Two queries of the reader, so that requests wait for no more when everything is read again.
const READS_AT_ONCE: usize = 32;
/// Each takes a connection of the pool, of which requests need the rest.
const ENDS_AT_ONCE: usize = 2;
/// For a use by another node that is about to be written.
const GRACE: Duration = Duration::from_millis(500);
/// Until a database that does not respond is read again, and as much at most on top.
const PAUSE: Duration = Duration::from_secs(1);

/// An event of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SessionEvent {
    /// It is live: the first event, which comes at once.
    Active,
    /// Its user has changed: another name, another e-mail address.
    Changed,
    /// It has ended: the last event.
    Ended(EndReason),
}

/// What becomes of the session of a request: [`SessionEvent::Active`] at once,
/// [`Changed`](SessionEvent::Changed) as often as its user changes, and at last
/// [`Ended`](SessionEvent::Ended), whichever process ends it. For what lives longer than a
/// request: a WebSocket, a stream of events.
///
/// As an argument of a handler it gives visitors 401 with the reason. It follows the session
/// through a change of its id. It is no use of the session, whose idle timeout runs on. It reads
/// the database when the session or its user has changed. On SQLite, while another process writes,
/// whatever it writes, all followed sessions are read together, 256 in a query, every 0.7 seconds
/// at most. While the database does not respond, the session counts as live.
pub struct SessionEvents {
    session_id: Uuid,
    events: BoxStream<'static, SessionEvent>,
}

impl SessionEvents {
    /// Waits until the session has ended, or the proof of its device has expired that the request came
    /// with ([`EndReason::DeviceProofMissing`]): the client connects again then. Race everything that is done for the session with it: a
    /// client that does not read can make a `send` wait for as long as it likes.
    ///
    /// ```no_run
    /// # use axum::{extract::ws::{WebSocket, WebSocketUpgrade}, response::Response};
    /// # use handstamp::auth::SessionEvents;
    /// async fn echo(upgrade: WebSocketUpgrade, mut session: SessionEvents) -> Response {
    ///     upgrade.on_upgrade(async move |mut socket: WebSocket| {
    ///         let echo = async {
    ///             while let Some(Ok(message)) = socket.recv().await {
    ///                 if socket.send(message).await.is_err() {
    ///                     return;
    ///                 }
    ///             }
    ///         };
    ///         tokio::select! {
    ///             biased; // the end comes first
    ///             _ = session.ended() => {}
    ///             () = echo => {}
    ///         }
    ///     })
    /// }
    /// ```
    pub async fn ended(&mut self) -> EndReason {
        loop {
            match self.next().await {
                Some(SessionEvent::Ended(reason)) => return reason,
                Some(_) => {}
                // Somebody has taken the last event already.
                None => return std::future::pending().await,
            }
        }
    }

    /// The public id of the session.
    pub(crate) fn session_id(&self) -> Uuid {
        self.session_id
    }
}

impl Stream for SessionEvents {
    type Item = SessionEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionEvent>> {
        self.events.poll_next_unpin(cx)
    }
}

impl fmt::Debug for SessionEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionEvents")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}

/// What can be followed of a session.
pub(crate) enum Followed {
    Events(SessionEvents),
    /// It is a visitor's.
    Visitor,
    /// Its device is not proved.
    Unproven(Box<LiveSession>),
    NotLive(NotLive),
}

/// How much those who follow sessions may ask of the database at a time.
#[derive(Debug)]
pub(crate) struct Permits {
    reads: Semaphore,
    ends: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        Self {
            reads: Semaphore::new(READS_AT_ONCE),
            ends: Semaphore::new(ENDS_AT_ONCE),
        }
    }
}

impl Sessions {
    /// Follows the session of a verified token, as long as the proof of its device counts.
    pub async fn follow(
        &self,
        token: SessionToken,
        proof: Option<DeviceProof>,
    ) -> Result<Followed, Error> {
        self.0.cache.keep_watching();
        self.keep_sweeping();
        let public_id = match token.public_id {
            Some(public_id) => Some(public_id),
            None => self.0.reader.read_public_id(token.id).await?,
        };
        let Some(public_id) = public_id else {
            return Ok(Followed::NotLive(NotLive::Unknown));
        };
        let revocations = self.db().revocations();
        loop {
            let (stamp, seen_at) = (revocations.stamp(), self.now());
            let session = match self.look(public_id, token.id).await? {
                Ok(session) => session,
                Err(reason) => return Ok(Followed::NotLive(reason)),
            };
            let Some(user) = &session.user else {
                return Ok(Followed::Visitor);
            };
            let user_id = user.id;
            if self.proven_until(&session, proof.as_ref()).is_none() {
                return Ok(Followed::Unproven(Box::new(session)));
            }
            let session = Arc::new(session);
            let listener = revocations.listen([public_id.into(), user_id.into()]);
            let following = self.0.followers.add(session.clone(), listener.handle());
            // Else it was revoked before anybody listened.
            if revocations.is_good(stamp, session.revocables()) {
                let follower = Box::new(Follower {
                    sessions: self.clone(),
                    listener,
                    following,
                    session,
                    user_id,
                    proof,
                    seen_at,
                });
                return Ok(Followed::Events(follower.events()));
            }
        }
    }

    /// Reads the session of these ids, which is no use of it.
    async fn look(&self, public_id: Uuid, id: Id) -> Result<Result<LiveSession, NotLive>, Error> {
        // Before the row, as it is about to be written there.
        let last_use = self.0.cache.waiting_use(id);
        let row = self.0.reader.read(public_id).await?;
        let now = self.now();
        Ok(live::live(id, row, self.0.timeouts, now, last_use))
    }

    /// Reads a session, whatever its secret id is by now; `id` was the last one.
    pub(super) async fn look_again(
        &self,
        public_id: Uuid,
        mut id: Id,
    ) -> Result<Result<LiveSession, NotLive>, Error> {
        loop {
            let last_use = self.0.cache.waiting_use(id);
            let row = self.0.reader.read(public_id).await?;
            match row.as_ref().and_then(|row| row.id.parse().ok()) {
                // Its last use may wait under this one.
                Some(renewed) if renewed != id => id = renewed,
                _ => {
                    let now = self.now();
                    return Ok(live::live(id, row, self.0.timeouts, now, last_use));
                }
            }
        }
    }
}

/// Who follows a session. Boxed, as a stream would keep the room for several.
struct Follower {
    sessions: Sessions,
    listener: Listener,
    following: Following,
    /// As it was last read.
    session: Arc<LiveSession>,
    user_id: Uuid,
    /// The proof of the device that came with the request.
    proof: Option<DeviceProof>,
    /// Just before it was last read.
    seen_at: Timestamp,
}

/// Until a database that does not respond is read again: not by everybody at once.
fn pause() -> Duration {
    PAUSE + PAUSE.mul_f32(rand::random())
}

/// Which event comes next.
enum Next {
    First(Box<Follower>),
    Further(Box<Follower>),
    None,
}

impl Follower {
    fn events(self: Box<Self>) -> SessionEvents {
        let session_id = self.session.public_id;
        let events = stream::unfold(Next::First(self), async |next| match next {
            Next::First(follower) => Some((SessionEvent::Active, Next::Further(follower))),
            Next::Further(mut follower) => match follower.next().await {
                ended @ SessionEvent::Ended(_) => Some((ended, Next::None)),
                event => Some((event, Next::Further(follower))),
            },
            Next::None => None,
        });
        SessionEvents {
            session_id,
            events: events.boxed(),
        }
    }

    async fn next(&mut self) -> SessionEvent {
        loop {
            let proof = self.proof.as_ref();
            let Some(proven_until) = self.sessions.proven_until(&self.session, proof) else {
                return SessionEvent::Ended(EndReason::DeviceProofMissing);
            };
            let expires_at = self.session.expires_at(self.sessions.0.timeouts);
            let moment = expires_at.after(GRACE).min(proven_until);
            tokio::select! {
                () = self.listener.revoked() => {}
                () = self.sessions.clock().reach(moment) => {}
            }
            if self.sessions.now() >= proven_until {
                continue;
            }
            // Boxed, as it is rare and would enlarge every stream.
            if let Some(event) = Box::pin(self.look()).await {
                return event;
            }
        }
    }

    /// Reads the session until the database responds; the event, if there is one.
    async fn look(&mut self) -> Option<SessionEvent> {
        loop {
            match self.try_to_look().await {
                Ok(event) => return event,
                Err(error) => {
                    tracing::debug!(%error, "a session that is followed cannot be read");
                    sleep(pause()).await;
                }
            }
        }
    }

    async fn try_to_look(&mut self) -> Result<Option<SessionEvent>, Error> {
        let Sessions(parts) = &self.sessions;
        let seen_at = self.sessions.now();
        let session = {
            // The semaphore is never closed.
            let _permit = parts.follower_permits.reads.acquire().await;
            let LiveSession { public_id, id, .. } = *self.session;
            self.sessions.look_again(public_id, id).await?
        };
        let session = match session {
            Ok(session) if session.user_id() == Some(self.user_id) => session,
            Ok(_) => return Ok(Some(SessionEvent::Ended(EndReason::Revoked))),
            Err(NotLive::Expired) => return Ok(Some(SessionEvent::Ended(EndReason::Expired))),
            Err(NotLive::Unknown | NotLive::UserGone) => {
                let _permit = parts.follower_permits.ends.acquire().await;
                let reason = self.why_ended().await?;
                return Ok(Some(SessionEvent::Ended(reason)));
            }
        };
        let has_changed = session.user != self.session.user;
        (self.session, self.seen_at) = (Arc::new(session), seen_at);
        self.following.note(self.session.clone());
        Ok(has_changed.then_some(SessionEvent::Changed))
    }

    /// Why the session is gone, as its user and the audit events tell.
    async fn why_ended(&self) -> Result<EndReason, Error> {
        let (db, timeouts) = (self.sessions.db(), self.sessions.0.timeouts);
        let ended = Ended {
            user_id: self.user_id,
            public_id: self.session.public_id,
            authenticated_at: self.session.proof.authenticated_at,
        };
        let since = self.seen_at.before(CLOCKS_APART).first_id();
        let ending_all = EndReason::ENDING_ALL.map(Action::as_str);
        Ok(match store::find_end(db, ended, since, ending_all).await? {
            None => EndReason::Deleted,
            Some((Some(_), _)) => EndReason::Disabled,
            Some((None, Some(event))) => EndReason::of(&event),
            Some((None, None)) if self.sessions.now() >= self.session.expires_at(timeouts) => {
                EndReason::Expired
            }
            Some((None, None)) => EndReason::Revoked,
        })
    }
}
