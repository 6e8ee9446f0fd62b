//! The session of one request, from its cookie to its `Set-Cookie`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, request::Parts},
};
use tower_sessions::{
    Session,
    session::{Id, Record},
};
use uuid::Uuid;

use super::{
    audit::{self, Action, Event},
    cookie::NoSession,
    logged_out::{Circumstances, LoggedOut},
    lookup::Lookup,
    record::{self, Data, LogInData},
    record_store::RecordStore,
    sessions::{self, LiveSession, NewSession, NotLive},
    state::Gate,
    users::User,
};
use crate::{
    db::Tx,
    http::{Client, Error},
};

/// What a request's handlers do with its session. The layer puts it into the request and
/// carries out on the answer what became of it.
#[derive(Clone, Debug)]
pub(super) struct RequestSession(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gate: Gate,
    /// As it came; the session may be another by the end of the request.
    cookie: Result<(), NoSession>,
    /// Sessions named by one of several cookies: not to be trusted, but to be ended.
    also_named: Vec<Id>,
    /// Of a request that came without the cookie.
    circumstances: Circumstances,
    /// Who sent it, where the cookie is to be signed anew.
    client: Option<Client>,
    current: Mutex<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    lookup: Arc<Lookup>,
    /// The handle for values of the handlers' own.
    session: Session,
    set_cookie: SetCookie,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetCookie {
    /// The browser keeps what it has.
    No,
    /// The browser's cookie is right but signed by an old key.
    Resign(Id),
    Keep(Id),
    Forget,
}

/// The sessions that a log-in takes the place of.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    ids: Vec<Id>,
    keep_values: bool,
}

impl Replaced {
    /// Nothing of them goes along.
    pub fn cleared(self) -> Self {
        Self {
            keep_values: false,
            ..self
        }
    }
}

impl RequestSession {
    pub fn new(gate: Gate, request: &Parts) -> Self {
        let cookie = gate.cookie().read(&request.headers);
        let also_named = match cookie {
            Err(NoSession::SentTwice) => gate.cookie().signed_ids(&request.headers),
            _ => Vec::new(),
        };
        let (set_cookie, client) = match cookie {
            Ok(verified) if verified.stale => {
                let client = Client::of(request, gate.trusted_proxies());
                (SetCookie::Resign(verified.id), Some(client))
            }
            _ => (SetCookie::No, None),
        };
        let circumstances = match cookie {
            Err(NoSession::NoCookie) => Circumstances::of(request, gate.trusted_proxies()),
            _ => Circumstances::default(),
        };
        let lookup = Lookup::new(gate.clone(), cookie.map(|verified| verified.id));
        let current = Current::new(&gate, lookup, set_cookie);
        Self(Arc::new(Inner {
            gate,
            cookie: cookie.map(drop),
            also_named,
            circumstances,
            client,
            current: Mutex::new(current),
        }))
    }

    /// The handle for values of the handlers' own.
    pub fn values(&self) -> Session {
        self.current().session
    }

    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The session, or why there is none.
    pub async fn find(&self) -> Result<Result<LiveSession, LoggedOut>, Error> {
        Ok(self.current().lookup.find().await?.clone())
    }

    /// Who is logged in and on which session, or the 401 that says why nobody is.
    pub async fn user(&self) -> Result<(User, Uuid), Error> {
        let reason = match self.find().await? {
            Ok(LiveSession {
                user: Some(user),
                public_id,
                ..
            }) => return Ok((user, public_id)),
            Ok(LiveSession { user: None, .. }) => LoggedOut::Visitor,
            Err(reason) => reason,
        };
        Err(self.not_logged_in(reason))
    }

    fn not_logged_in(&self, reason: LoggedOut) -> Error {
        let cookie = self.gate().cookie();
        reason.into_error(cookie.name(), cookie.is_secure(), &self.0.circumstances)
    }

    /// The sessions that a log-in is about to replace. To be asked before the log-in's
    /// transaction begins: SQLite has one connection for writing, and this may write.
    pub async fn replaced(&self) -> Result<Replaced, Error> {
        let keep_values = self.find().await?.is_ok();
        Ok(Replaced {
            ids: self.named_ids(),
            keep_values,
        })
    }

    /// Logs `user` in on a session of its own, in the transaction that found them worthy.
    /// The replaced session ends with it; its values go along unless they are another user's.
    /// `action` is what the log-in was part of.
    pub async fn log_in(
        &self,
        mut tx: Tx,
        user: &User,
        client: &Client,
        replaced: Replaced,
        action: Action,
    ) -> Result<(), Error> {
        let gate = self.gate();
        let now = gate.now();
        let mut data = Data::new();
        for old in replaced.ids {
            let taken = sessions::take_data(&mut tx, old, user.id).await?;
            if let Some(bytes) = taken.filter(|_| replaced.keep_values) {
                data = record::decode(&bytes).map_err(Error::internal)?.data;
            }
        }
        data.extend(LogInData::of(user).into_values());

        let expires_at = gate.timeouts().expires_at(now, now);
        let record = record::new_record(data, expires_at);
        let bytes = record::encode(&record).map_err(Error::internal)?;
        let public_id = Uuid::now_v7();
        let session = NewSession {
            record: &record,
            public_id,
            user_id: Some(user.id),
            client: Some(client),
            key_id: gate.cookie().key_id(),
            now,
            expires_at,
        };
        if !sessions::insert(&mut tx, session, &bytes).await? {
            return Err(Error::internal("a fresh session id is taken"));
        }
        sessions::delete_oldest(&mut tx, user.id, gate.sessions_per_user(), now).await?;
        audit::commit(tx, now, &[Event::new(action, user.id, Some(client))]).await?;

        self.keep(record.id);
        Ok(())
    }

    /// Begins a visitor's session, which logs nobody in, where there is none.
    pub async fn begin(&self) -> Result<LiveSession, Error> {
        let session = self.current().session;
        session.save().await?;
        let id = session
            .id()
            .ok_or_else(|| Error::internal("a saved session has no id"))?;
        let lookup = Arc::new(Lookup::new(self.gate().clone(), Ok(id)));
        let set_cookie = SetCookie::Keep(id);
        *self.lock() = Current {
            lookup,
            session,
            set_cookie,
        };
        self.find().await?.map_err(|_| self.unknown_session())
    }

    /// Has the session go on under a new id, in the transaction that calls for it, because of
    /// `event`.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] when the session has ended meanwhile; nothing is committed.
    pub async fn renew(&self, mut tx: Tx, event: Event<'_>) -> Result<(), Error> {
        let old = self
            .current()
            .lookup
            .id()
            .ok_or_else(|| self.unknown_session())?;
        let Some(bytes) = sessions::lock_data(&mut tx, old).await? else {
            return Err(self.unknown_session());
        };
        let record = record::decode(&bytes).map_err(Error::internal)?;
        let record = Record {
            id: Id::default(),
            ..record
        };
        let bytes = record::encode(&record).map_err(Error::internal)?;
        sessions::change_id(&mut tx, old, record.id, &bytes).await?;
        audit::commit(tx, self.gate().now(), &[event]).await?;
        self.keep(record.id);
        Ok(())
    }

    /// Ends the session: once this returns, no copy of its cookie is good for anything.
    pub async fn log_out(&self, client: &Client) -> Result<(), Error> {
        let ids = self.named_ids();
        if !ids.is_empty() {
            let mut events = Vec::new();
            let mut tx = self.gate().db().begin().await?;
            for id in ids {
                let user_id = sessions::delete(&mut tx, id).await?;
                events.extend(user_id.map(|id| Event::new(Action::LogOut, id, Some(client))));
            }
            audit::commit(tx, self.gate().now(), &events).await?;
        }
        self.forget();
        Ok(())
    }

    /// Every session that the request's cookies name.
    fn named_ids(&self) -> Vec<Id> {
        let also_named = self.0.also_named.iter().copied();
        self.current()
            .lookup
            .id()
            .into_iter()
            .chain(also_named)
            .collect()
    }

    /// The request's session is `id` from here on.
    fn keep(&self, id: Id) {
        let lookup = Lookup::new(self.gate().clone(), Ok(id));
        *self.lock() = Current::new(self.gate(), lookup, SetCookie::Keep(id));
    }

    /// Has the browser forget its cookie.
    pub fn forget(&self) {
        let set_cookie = match self.0.cookie {
            Err(NoSession::NoCookie) => SetCookie::No,
            _ => SetCookie::Forget,
        };
        let lookup = Lookup::new(self.gate().clone(), Err(NoSession::NoCookie));
        *self.lock() = Current::new(self.gate(), lookup, set_cookie);
    }

    fn unknown_session(&self) -> Error {
        self.not_logged_in(LoggedOut::Session(NotLive::Unknown))
    }

    fn current(&self) -> Current {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Saves the values that handlers wrote, and says which cookie the browser is to have.
    pub async fn finish(&self, status: StatusCode) -> Result<Option<HeaderValue>, Error> {
        let Current {
            lookup,
            session,
            set_cookie,
        } = self.current();
        let cookie = self.gate().cookie();
        let is_saved = session.is_modified() && !status.is_server_error();
        if is_saved && session.is_empty().await {
            // A handler has flushed it.
            return Ok(lookup.id().map(|_| cookie.forget()));
        }
        if is_saved {
            session.save().await?;
            // A visitor's first value, or one whose session had ended, makes a new session.
            if let Some(new) = session.id().filter(|id| Some(*id) != lookup.id()) {
                return Ok(Some(cookie.keep(new)));
            }
        }
        Ok(match set_cookie {
            SetCookie::No => None,
            SetCookie::Keep(id) => Some(cookie.keep(id)),
            SetCookie::Resign(id) => match lookup.found() {
                Some(session) => {
                    self.note_resigned(session).await;
                    Some(cookie.keep(id))
                }
                None => None,
            },
            SetCookie::Forget => Some(cookie.forget()),
        })
    }

    /// Writes down, once, that a session's cookie was signed anew. That it could not be is no
    /// reason to keep the cookie from its owner.
    async fn note_resigned(&self, session: &LiveSession) {
        let key_id = self.gate().cookie().key_id();
        let Some(user) = &session.user else { return };
        if session.key_id.as_deref() == Some(key_id) {
            return;
        }
        let noted = async {
            let mut tx = self.gate().db().begin().await?;
            if sessions::note_key(&mut tx, session.public_id, key_id).await? {
                let event = Event::new(Action::ResignCookie, user.id, self.0.client.as_ref());
                audit::commit(tx, self.gate().now(), &[event]).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a cookie signed anew could not be written down");
        }
    }
}

impl Current {
    fn new(gate: &Gate, lookup: Lookup, set_cookie: SetCookie) -> Self {
        let lookup = Arc::new(lookup);
        let store = Arc::new(RecordStore::new(gate.clone(), lookup.clone()));
        let session = Session::new(lookup.id(), store, None);
        Self {
            lookup,
            session,
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
