//! The session of one request, from its cookie to its `Set-Cookie`.

pub(crate) mod extract;
mod finish;
pub(crate) mod info;
pub(crate) mod layer;
pub(crate) mod lookup;
pub(crate) mod recent;
pub(crate) mod require;
pub(crate) mod second_factor;
mod session_store;
pub(crate) mod unauthorized;
pub(crate) mod visitor;

#[cfg(feature = "totp")]
use std::time::Duration;
use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    body::Bytes,
    extract::{FromRequestParts, Request},
    http::{Extensions, request::Parts},
};
use ipnet::IpNet;
use tower_sessions::Session;
use uuid::Uuid;

use self::{
    finish::Router,
    layer::Options,
    lookup::{Found, Lookup},
    session_store::RecordStore,
    unauthorized::{Circumstances, Unauthorized},
};
use crate::auth::{
    audit::Event,
    cookie::{NoSession, Sent, keys::Verified, token::SessionToken},
    session::{
        LoggedIn, Named, Replaced, Sessions,
        device::DeviceProof,
        live::{LiveSession, NotLive},
    },
    user::User,
};
use crate::{
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

/// A request's handle to its session. The layer puts it into the request, and sets on the response
/// the cookie that it calls for. `Debug` shows none of the session's ids and values.
#[derive(Clone)]
pub(crate) struct SessionHandle(Arc<Inner>);

struct Inner {
    options: Arc<Options>,
    /// Whether the browser sent any cookie with the name, valid or not.
    has_cookie: bool,
    /// Whether it sent any proof of its device.
    has_proof_cookie: bool,
    /// The proof, which may be none of this session.
    device_proof: Option<DeviceProof>,
    /// Sessions named by one of several cookies: not trusted, but ended by a login or logout.
    also_named: Vec<Named>,
    /// The router of `Auth` that the request has come to, if it has.
    router: OnceLock<Router>,
    /// Of a request that came without the cookie.
    circumstances: Option<Circumstances>,
    /// The client, where the cookie will be re-signed.
    client: Option<Client>,
    current: Mutex<Current>,
}

#[derive(Clone)]
struct Current {
    lookup: Lookup,
    /// Loaded on demand.
    values: Option<Values>,
    set_cookie: SetCookie,
}

/// The handlers' own values.
#[derive(Clone)]
struct Values {
    session: Session,
    store: Arc<RecordStore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SetCookie {
    /// The browser keeps what it has.
    No,
    /// The browser's cookie is valid but signed by an old key or of an older version.
    Resign,
    Keep,
    /// It is kept, and the browser is offered to bind it to its device.
    KeepAndBind,
    /// It is kept, for a session that lives no longer than this.
    #[cfg(feature = "totp")]
    KeepFor(Duration),
    Forget,
    /// The browser has another one, or is about to, that must not be overwritten.
    Withheld,
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").finish_non_exhaustive()
    }
}

impl SessionHandle {
    pub fn new(options: Arc<Options>, request: &Request) -> Self {
        let Options {
            sessions,
            trusted_proxies,
            ..
        } = &*options;
        let headers = request.headers();
        let cookie = sessions.cookie();
        let Sent {
            session: sent,
            proof,
            has_more_proofs,
        } = cookie.read(headers);
        let has_proof_cookie = proof.is_some();
        let mut proof: Option<DeviceProof> = proof.and_then(|proof| proof.try_into().ok());
        if let (true, Ok(value)) = (has_more_proofs, sent)
            && let Some(Verified { token, .. }) = cookie.verify(value)
        {
            let mut proofs = cookie.proofs(headers).filter_map(|it| it.try_into().ok());
            proof = proofs.find(|proof| sessions.is_proven(token, Some(proof)));
        }
        let also_named = match sent {
            Err(NoSession::SentTwice) => {
                let tokens = cookie.signed_tokens(headers).into_iter();
                let named = tokens.map(|token| Named {
                    id: token.id,
                    is_proven: sessions.is_proven(token, proof.as_ref()),
                });
                named.collect()
            }
            _ => Vec::new(),
        };
        let client = || Client::of(headers, request.extensions(), trusted_proxies);
        let circumstances = matches!(sent, Err(NoSession::NoCookie))
            .then(|| Circumstances::of(headers, request.extensions(), trusted_proxies));
        let (lookup, is_stale) = match sent {
            Ok(value) => Lookup::of_cookie(sessions, value, proof.as_ref(), client),
            Err(reason) => (Lookup::Nothing(reason), false),
        };
        let set_cookie = if is_stale {
            SetCookie::Resign
        } else {
            SetCookie::No
        };
        let client = is_stale.then(client);
        Self(Arc::new(Inner {
            has_cookie: !matches!(sent, Err(NoSession::NoCookie)),
            has_proof_cookie,
            device_proof: proof,
            also_named,
            router: OnceLock::new(),
            circumstances,
            client,
            current: Mutex::new(Current::new(lookup, set_cookie)),
            options,
        }))
    }

    /// The session that the layer has put into a request.
    pub fn of(extensions: &Extensions) -> Result<Self, Error> {
        let session = extensions.get::<Self>().cloned();
        session.ok_or_else(|| Error::internal("the route is not behind the layer of Auth"))
    }

    /// The handle for the handlers' own values.
    pub fn session(&self) -> Session {
        self.values().session
    }

    fn values(&self) -> Values {
        let mut current = self.lock();
        let Current { lookup, values, .. } = &mut *current;
        let new = || {
            let store = Arc::new(RecordStore::new(self.sessions().clone(), lookup.clone()));
            let session = Session::new(lookup.id(), store.clone(), None);
            Values { session, store }
        };
        values.get_or_insert_with(new).clone()
    }

    pub fn sessions(&self) -> &Sessions {
        &self.0.options.sessions
    }

    /// Proxies whose word on a client's address is trusted.
    pub fn trusted_proxies(&self) -> &[IpNet] {
        &self.0.options.trusted_proxies
    }

    /// The proof of a device that came with the request, which may be none of this session.
    fn device_proof(&self) -> Option<DeviceProof> {
        self.0.device_proof
    }

    /// The session, or why there is none.
    pub async fn find(&self) -> Result<Found, Error> {
        self.lookup().find(self.sessions()).await
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

    /// Who is logged in and on which session, or the 401.
    pub async fn session_and_user(&self) -> Result<(Arc<LiveSession>, User), Error> {
        self.tell(|session, user| (session.clone(), user.clone()))
            .await
    }

    async fn tell<T>(&self, of: impl FnOnce(&Arc<LiveSession>, &User) -> T) -> Result<T, Error> {
        let found = self.find().await?;
        self.check_second_factor(&found)?;
        who(found, of).map_err(|reason| self.not_logged_in(reason))
    }

    pub fn not_logged_in(&self, reason: Unauthorized) -> Error {
        let cookie = self.sessions().cookie();
        let circumstances = self.0.circumstances.as_ref();
        reason.into_error(cookie.name(), cookie.is_secure(), circumstances)
    }

    /// Begins a visitor's session, which logs nobody in, where there is none; its public id. It is
    /// not looked up: that would be a second use of it.
    pub async fn begin(&self) -> Result<Uuid, Error> {
        if let Err(reason @ Unauthorized::DeviceProofMissing) = self.find().await? {
            // The browser keeps the cookie that it has.
            return Err(self.not_logged_in(reason));
        }
        let values = self.values();
        values.session.save().await?;
        let token = values.store.created();
        let token = token.ok_or_else(|| Error::internal("a saved session is not there"))?;
        let public_id = token.public_id;
        let public_id = public_id.ok_or_else(|| Error::internal("a new session has no id"))?;
        let set_cookie = match self.is_replaced().await? {
            true => SetCookie::Withheld,
            false => SetCookie::Keep,
        };
        *self.lock() = Current {
            lookup: Lookup::ask(token),
            values: Some(values),
            set_cookie,
        };
        Ok(public_id)
    }

    /// The sessions that a login will replace. Called before the write of the login, as it may read
    /// the database.
    pub async fn replaced(&self) -> Result<Replaced, Error> {
        let current = self.find().await?.ok();
        Ok(Replaced {
            named: self.named(),
            keep_values: current.is_some(),
            current,
        })
    }

    /// Gives the session a new secret id, in the transaction that has verified who its user is because
    /// of `event`, at `now`. The new one is to be [kept](Self::keep) once it is committed.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] when the session has ended meanwhile.
    pub async fn renew(
        &self,
        tx: &mut Tx,
        event: Event,
        now: Timestamp,
    ) -> Result<SessionToken, Error> {
        let lookup = self.lookup();
        let token = lookup.token().ok_or_else(|| self.unknown_session())?;
        let renewed = self.sessions().renew(tx, token, lookup.found(), event, now);
        renewed.await?.ok_or_else(|| self.unknown_session())
    }

    /// Ends the session: once this returns, no copy of its cookie is good for anything. One that is bound
    /// to a device goes on unless the request proves that, and only the cookie is removed.
    pub async fn log_out(&self, client: &Client) -> Result<(), Error> {
        if self.lookup().unproven_client().is_some() {
            // The lookup records the refusal, if the session is bound to a device.
            let _ = self.find().await?;
        }
        let client = Some(client.clone());
        self.sessions().end(self.named(), client).await?;
        self.forget();
        Ok(())
    }

    /// Every session that the request's cookies name, in an order that keeps two requests from
    /// waiting for each other.
    pub fn named(&self) -> Vec<Named> {
        let lookup = self.lookup();
        let named = lookup.id().map(|id| lookup.name(id)).into_iter();
        let also_named = self.0.also_named.iter().copied();
        let mut named: Vec<Named> = named.chain(also_named).collect();
        named.sort_unstable_by_key(|named| named.id.0);
        named.dedup();
        named
    }

    /// The request's session is that of `token` from here on.
    pub fn keep(&self, token: SessionToken) {
        *self.lock() = Current::new(Lookup::ask(token), SetCookie::Keep);
    }

    /// The request's session is the one that somebody has logged in on, from here on. The response offers
    /// to bind it to the device.
    pub fn log_in(&self, LoggedIn(token): LoggedIn) {
        *self.lock() = Current::new(Lookup::ask(token), SetCookie::KeepAndBind);
    }

    /// As [`keep`](Self::keep), of a session that lives no longer than this.
    #[cfg(feature = "totp")]
    pub fn keep_for(&self, token: SessionToken, lifetime: Duration) {
        *self.lock() = Current::new(Lookup::ask(token), SetCookie::KeepFor(lifetime));
    }

    /// Removes the browser's cookie.
    pub fn forget(&self) {
        let set_cookie = match self.0.has_cookie || self.0.has_proof_cookie {
            true => SetCookie::Forget,
            false => SetCookie::No,
        };
        *self.lock() = Current::new(Lookup::Nothing(NoSession::NoCookie), set_cookie);
    }

    pub fn unknown_session(&self) -> Error {
        self.not_logged_in(Unauthorized::Session(NotLive::Unknown))
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
}

/// What `of` tells of who is logged in, or why nobody is.
fn who<T>(found: Found, of: impl FnOnce(&Arc<LiveSession>, &User) -> T) -> Result<T, Unauthorized> {
    let session = found?;
    let user = session.user.as_ref().ok_or(Unauthorized::Visitor)?;
    Ok(of(&session, user))
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

impl<S: Sync> FromRequestParts<S> for SessionHandle {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::of(&parts.extensions)
    }
}
