//! The session of one request, from its cookie to its `Set-Cookie`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, Request},
    http::{HeaderValue, StatusCode, request::Parts},
};
use tower_sessions::{Session, session::Id};
use uuid::Uuid;

use super::{
    cookie::NoSession,
    keys::Verified,
    live_session::LiveSession,
    logged_out::{Circumstances, LoggedOut},
    lookup::{Found, Lookup},
    record_store::RecordStore,
    session_token::SessionToken,
    sessions::NotLive,
    state::Gate,
    users::User,
};
use crate::http::{Client, Error};

/// What a request's handlers do with its session. The layer puts it into the request and
/// carries out on the answer what became of it.
#[derive(Clone, Debug)]
pub(super) struct RequestSession(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    /// Whether the browser keeps anything under the name, be it no session.
    has_cookie: bool,
    /// Sessions named by one of several cookies: not to be trusted, but to be ended.
    also_named: Vec<Id>,
    /// Of a request that came without the cookie.
    circumstances: Option<Circumstances>,
    /// Who sent it, where the cookie is to be signed anew.
    client: Option<Client>,
    current: Mutex<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    lookup: Lookup,
    /// Once somebody wants them.
    values: Option<Values>,
    set_cookie: SetCookie,
}

/// The values of the handlers' own.
#[derive(Clone, Debug)]
struct Values {
    session: Session,
    store: Arc<RecordStore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetCookie {
    /// The browser keeps what it has.
    No,
    /// The browser's cookie is right but signed by an old key or of an older version.
    Resign,
    Keep,
    Forget,
}

impl RequestSession {
    pub fn new(gate: Gate, request: &Request) -> Self {
        let headers = request.headers();
        let sent = gate.cookie().value(headers);
        let also_named = match sent {
            Err(NoSession::SentTwice) => gate.cookie().signed_ids(headers),
            _ => Vec::new(),
        };
        let proxies = gate.trusted_proxies();
        let circumstances = matches!(sent, Err(NoSession::NoCookie))
            .then(|| Circumstances::of(headers, request.extensions(), proxies));
        let (lookup, set_cookie) = match sent {
            Ok(value) => Self::look_up(&gate, value),
            Err(reason) => (Lookup::Nothing(reason), SetCookie::No),
        };
        let client = (set_cookie == SetCookie::Resign)
            .then(|| Client::of(headers, request.extensions(), proxies));
        Self(Arc::new(Inner {
            has_cookie: !matches!(sent, Err(NoSession::NoCookie)),
            also_named,
            circumstances,
            client,
            current: Mutex::new(Current::new(lookup, set_cookie)),
            gate,
        }))
    }

    /// A cookie that is in memory was verified before it came there.
    fn look_up(gate: &Gate, value: &[u8]) -> (Lookup, SetCookie) {
        if let Some(known) = gate.cache().get(value, gate.now()) {
            return (Lookup::Known(known), SetCookie::No);
        }
        match gate.cookie().verify(value) {
            Some(Verified {
                token,
                stale: false,
            }) => (Lookup::ask(token, Some(value.into())), SetCookie::No),
            Some(Verified { token, stale: true }) => (Lookup::ask(token, None), SetCookie::Resign),
            None => (Lookup::Nothing(NoSession::BadSignature), SetCookie::No),
        }
    }

    /// The handle for values of the handlers' own.
    pub fn session(&self) -> Session {
        self.values().session
    }

    fn values(&self) -> Values {
        let mut current = self.lock();
        let Current { lookup, values, .. } = &mut *current;
        let new = || {
            let store = Arc::new(RecordStore::new(self.gate().clone(), lookup.clone()));
            let session = Session::new(lookup.id(), store.clone(), None);
            Values { session, store }
        };
        values.get_or_insert_with(new).clone()
    }

    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The session, or why there is none.
    pub async fn find(&self) -> Result<Found, Error> {
        Ok(self.lookup().find(self.gate()).await?)
    }

    /// The session that somebody is logged in on and the id of their user, or the 401 that
    /// says why nobody is.
    pub async fn logged_in(&self) -> Result<(Arc<LiveSession>, Uuid), Error> {
        self.tell(|session, user| (session.clone(), user.id)).await
    }

    /// Who is logged in and on which session, or the 401.
    pub async fn user(&self) -> Result<(User, Uuid), Error> {
        self.tell(|session, user| (user.clone(), session.public_id))
            .await
    }

    /// Who is logged in, as JSON, or the 401.
    pub async fn user_json(&self) -> Result<Bytes, Error> {
        let json = self.tell(|session, user| session.user_json(user)).await?;
        json.map_err(Error::internal)
    }

    async fn tell<T>(&self, of: impl FnOnce(&Arc<LiveSession>, &User) -> T) -> Result<T, Error> {
        let reason = match self.find().await? {
            Ok(session) => match &session.user {
                Some(user) => return Ok(of(&session, user)),
                None => LoggedOut::Visitor,
            },
            Err(reason) => reason,
        };
        Err(self.not_logged_in(reason))
    }

    fn not_logged_in(&self, reason: LoggedOut) -> Error {
        let cookie = self.gate().cookie();
        let circumstances = self.0.circumstances.as_ref();
        reason.into_error(cookie.name(), cookie.is_secure(), circumstances)
    }

    /// Begins a visitor's session, which logs nobody in, where there is none; its public id. It is
    /// not looked up: that would be a second use of it.
    pub async fn begin(&self) -> Result<Uuid, Error> {
        let values = self.values();
        values.session.save().await?;
        let token = values.store.created();
        let token = token.ok_or_else(|| Error::internal("a saved session is not there"))?;
        let public_id = token.public_id;
        let public_id = public_id.ok_or_else(|| Error::internal("a new session has no id"))?;
        *self.lock() = Current {
            lookup: Lookup::ask(token, None),
            values: Some(values),
            set_cookie: SetCookie::Keep,
        };
        Ok(public_id)
    }

    /// Every session that the request's cookies name, in an order that keeps two requests from
    /// waiting for each other.
    pub fn named_ids(&self) -> Vec<Id> {
        let also_named = self.0.also_named.iter().copied();
        let mut ids: Vec<Id> = self.lookup().id().into_iter().chain(also_named).collect();
        ids.sort_unstable_by_key(|id| id.0);
        ids.dedup();
        ids
    }

    /// The request's session is that of `token` from here on.
    pub fn keep(&self, token: SessionToken) {
        *self.lock() = Current::new(Lookup::ask(token, None), SetCookie::Keep);
    }

    /// Has the browser forget its cookie.
    pub fn forget(&self) {
        let set_cookie = match self.0.has_cookie {
            true => SetCookie::Forget,
            false => SetCookie::No,
        };
        *self.lock() = Current::new(Lookup::Nothing(NoSession::NoCookie), set_cookie);
    }

    pub fn unknown_session(&self) -> Error {
        self.not_logged_in(LoggedOut::Session(NotLive::Unknown))
    }

    pub fn lookup(&self) -> Lookup {
        self.lock().lookup.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves the values that handlers wrote, and says which cookie the browser is to have.
    pub async fn finish(&self, status: StatusCode) -> Result<Option<HeaderValue>, Error> {
        let current = {
            let current = self.lock();
            let values = current.values.as_ref();
            let is_modified = values.is_some_and(|values| values.session.is_modified());
            if current.set_cookie == SetCookie::No && !is_modified {
                return Ok(None);
            }
            current.clone()
        };
        // Boxed, as it is seldom done and would be a part of each request's future.
        Box::pin(self.carry_out(current, status)).await
    }

    async fn carry_out(
        &self,
        current: Current,
        status: StatusCode,
    ) -> Result<Option<HeaderValue>, Error> {
        let Current {
            lookup,
            values,
            set_cookie,
        } = current;
        let cookie = self.gate().cookie();
        let written =
            values.filter(|values| values.session.is_modified() && !status.is_server_error());
        if let Some(Values { session, store }) = written {
            if session.is_empty().await {
                // A handler has flushed it.
                return Ok(lookup.id().map(|_| cookie.forget()));
            }
            session.save().await?;
            // A visitor's first value, or one whose session had ended, makes a new session.
            if let Some(created) = store.created() {
                return Ok(Some(cookie.keep(created)));
            }
        }
        Ok(match set_cookie {
            SetCookie::No => None,
            SetCookie::Keep => lookup.token().map(|token| cookie.keep(token)),
            SetCookie::Resign => match lookup.found() {
                Some(session) if self.is_still_there(session).await => {
                    self.gate()
                        .note_resigned(session, self.0.client.as_ref())
                        .await;
                    Some(cookie.keep(session.token()))
                }
                _ => None,
            },
            SetCookie::Forget => Some(cookie.forget()),
        })
    }

    /// Whether a session that was found is there at the end of the request, too: what took
    /// its place meanwhile has set a cookie that must not be overwritten.
    async fn is_still_there(&self, session: &LiveSession) -> bool {
        let again = Lookup::ask(session.token(), None).find(self.gate()).await;
        again.is_ok_and(|found| found.is_ok())
    }
}

impl Current {
    fn new(lookup: Lookup, set_cookie: SetCookie) -> Self {
        Self {
            lookup,
            values: None,
            set_cookie,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = parts.extensions.get::<Self>().cloned();
        session.ok_or_else(|| Error::internal("the route is not behind Gate::protect"))
    }
}
