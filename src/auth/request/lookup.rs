//! The lookup of a request's session, done once and only when needed.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_sessions::session::Id;
use uuid::Uuid;

use super::unauthorized::Unauthorized;
use crate::auth::{
    cookie::{NoSession, keys::Verified, token::SessionToken},
    session::{
        Named, Sessions,
        cache::Cached,
        device::{DeviceProof, Refusal},
        live::LiveSession,
    },
};
use crate::http::{Client, Error};

/// The session, or why there is none.
pub(crate) type Found = Result<Arc<LiveSession>, Unauthorized>;

/// The session of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// No cookie names one.
    Nothing(NoSession),
    /// It was cached.
    Cached(Cached),
    /// It was cached, and is bound to a device that the request does not prove.
    Unproven(Arc<Unproven>),
    /// The database has to be read.
    Asked(Arc<Asked>),
}

/// A session whose device a client does not prove.
#[derive(Debug)]
pub(crate) struct Unproven {
    session: Arc<LiveSession>,
    client: UnprovenClient,
    noted: OnceCell<()>,
}

/// A client that does not prove the device of a session, and why not.
#[derive(Debug)]
pub(crate) struct UnprovenClient {
    client: Client,
    refusal: Refusal,
}

impl UnprovenClient {
    /// Records that it was refused on the session, which is bound.
    pub async fn note(&self, sessions: &Sessions, session: &LiveSession) {
        let Self { client, refusal } = self;
        sessions.note_refused(session, *refusal, client).await;
    }
}

/// A session that the database is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    token: SessionToken,
    /// The cookie to cache it under.
    cookie: Option<Box<[u8]>>,
    /// The client, if the request does not prove the device of the session; it may be bound to none.
    unproven: Option<UnprovenClient>,
    found: OnceCell<Found>,
}

impl Lookup {
    /// The lookup of a cookie, and whether that is to be re-signed. A cached cookie was verified before it
    /// was cached.
    pub fn of_cookie(
        sessions: &Sessions,
        value: &[u8],
        proof: Option<&DeviceProof>,
        client: impl FnOnce() -> Client,
    ) -> (Self, bool) {
        let unproven = |session: Option<Uuid>| UnprovenClient {
            client: client(),
            refusal: session.map_or(Refusal::NoProof, |session| sessions.refusal(session, proof)),
        };
        if let Some(cached) = sessions.find_cached(value) {
            if sessions.proven_until(&cached.session, proof).is_some() {
                return (Self::Cached(cached), false);
            }
            let unproven = Unproven {
                client: unproven(Some(cached.session.public_id)),
                session: cached.session,
                noted: OnceCell::new(),
            };
            return (Self::Unproven(Arc::new(unproven)), false);
        }
        let Some(Verified { token, stale }) = sessions.cookie().verify(value) else {
            return (Self::Nothing(NoSession::BadSignature), false);
        };
        let is_proven = sessions.is_proven(token, proof);
        let unproven = (!is_proven).then(|| unproven(token.public_id));
        let cookie = (!stale).then(|| value.into());
        (Self::ask_for(token, cookie, unproven), stale)
    }

    /// A lookup by a verified token, of a request that proves its device if it is bound to one.
    pub fn ask(token: SessionToken) -> Self {
        Self::ask_for(token, None, None)
    }

    /// A lookup by a verified token, which caches the session under `cookie`; `unproven` is the client
    /// that does not prove the device of the session, if it is bound to one.
    fn ask_for(
        token: SessionToken,
        cookie: Option<Box<[u8]>>,
        unproven: Option<UnprovenClient>,
    ) -> Self {
        Self::Asked(Arc::new(Asked {
            token,
            cookie,
            unproven,
            found: OnceCell::new(),
        }))
    }

    /// The token, live or not; with both ids if the session was found.
    pub fn token(&self) -> Option<SessionToken> {
        match self {
            Self::Nothing(_) => None,
            Self::Cached(cached) => Some(cached.session.token()),
            Self::Unproven(unproven) => Some(unproven.session.token()),
            Self::Asked(asked) => Some(self.found().map_or(asked.token, LiveSession::token)),
        }
    }

    /// The secret id in the cookie, live or not.
    pub fn id(&self) -> Option<Id> {
        self.token().map(|token| token.id)
    }

    /// A session that the request names, as this lookup or beside it.
    pub fn name(&self, id: Id) -> Named {
        Named {
            id,
            is_proven: self.unproven_client().is_none(),
        }
    }

    /// The session, if it was looked up and there is one.
    pub fn found(&self) -> Option<&LiveSession> {
        match self {
            Self::Nothing(_) | Self::Unproven(_) => None,
            Self::Cached(cached) => Some(&cached.session),
            Self::Asked(asked) => asked.found.get()?.as_deref().ok(),
        }
    }

    /// The client, if the request does not prove the device of the session.
    pub fn unproven_client(&self) -> Option<&UnprovenClient> {
        match self {
            Self::Nothing(_) | Self::Cached(_) => None,
            Self::Unproven(unproven) => Some(&unproven.client),
            Self::Asked(asked) => asked.unproven.as_ref(),
        }
    }

    /// Whether the request was found not to prove the device that the session is bound to.
    pub fn is_unproven(&self) -> bool {
        match self {
            Self::Nothing(_) | Self::Cached(_) => false,
            Self::Unproven(_) => true,
            Self::Asked(asked) => {
                let found = asked.found.get();
                found.is_some_and(|found| matches!(found, Err(Unauthorized::DeviceProofMissing)))
            }
        }
    }

    /// The session, or why there is none; a database error is neither. The query is boxed: a
    /// request that does not need it has a future a quarter as large.
    pub async fn find(&self, sessions: &Sessions) -> Result<Found, Error> {
        let find = async |token, cookie, unproven: Option<&UnprovenClient>| {
            let session = match sessions.find(token, cookie).await? {
                Ok(session) => session,
                Err(reason) => return Ok(Err(Unauthorized::Session(reason))),
            };
            if let Some(client) = unproven
                && sessions.proven_until(&session, None).is_none()
            {
                client.note(sessions, &session).await;
                return Ok(Err(Unauthorized::DeviceProofMissing));
            }
            sessions.note_use(&session);
            Ok(Ok(session))
        };
        match self {
            Self::Nothing(reason) => Ok(Err(Unauthorized::Cookie(*reason))),
            Self::Cached(cached) if sessions.reuse(cached) => Ok(Ok(cached.session.clone())),
            Self::Cached(cached) => Box::pin(find(cached.session.token(), None, None)).await,
            Self::Unproven(unproven) => {
                let Unproven {
                    session,
                    client,
                    noted,
                } = &**unproven;
                let note = || client.note(sessions, session);
                Box::pin(noted.get_or_init(note)).await;
                Ok(Err(Unauthorized::DeviceProofMissing))
            }
            Self::Asked(asked) => {
                let Asked {
                    token,
                    cookie,
                    unproven,
                    ..
                } = &**asked;
                let find = || find(*token, cookie.as_deref(), unproven.as_ref());
                let found = asked.found.get_or_try_init(find);
                Box::pin(found).await.cloned()
            }
        }
    }
}
