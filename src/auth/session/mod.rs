//! Finds, begins, renews and ends sessions, in the database and in the cache.

mod activity;
mod begin;
pub(crate) mod cache;
pub(crate) mod device;
pub(crate) mod events;
pub(crate) mod live;
pub(crate) mod proof;
mod reader;
pub(crate) mod record;
pub(crate) mod store;
pub(crate) mod timeouts;

use std::{fmt, sync::Arc, time::Duration};

use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};
use uuid::Uuid;

use self::{
    cache::{Cached, SessionCache},
    device::Devices,
    events::{Followers, Permits, Places},
    live::{LiveSession, NotLive},
    reader::SessionReader,
    record::LogInData,
    store::OwnSession,
    timeouts::Timeouts,
};
use super::{
    audit::{self, Action, Event},
    cookie::{SessionCookie, token::SessionToken},
    statistics::CacheCounts,
    user::User,
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Tx},
    http::{Client, Error},
};

/// The sessions of one database. Cheap to clone. `Debug` shows none of them.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Parts>);

struct Parts {
    db: Db,
    clock: Clock,
    cookie: SessionCookie,
    devices: Devices,
    cache: SessionCache,
    reader: SessionReader,
    values: Arc<dyn SessionStore>,
    timeouts: Timeouts,
    reauthentication_window: Duration,
    per_user: i64,
    event_streams: Places,
    followers: Followers,
    follower_permits: Permits,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// How sessions are kept.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub timeouts: Timeouts,
    /// How long a proof of who a user is counts.
    pub reauthentication_window: Duration,
    /// The domain whose passkeys can be used; none where passkeys are off. Users may still have some from
    /// before.
    pub passkey_domain: Option<Box<str>>,
    /// Sessions of one user; one more login ends the oldest.
    pub per_user: usize,
    /// Sessions in the cache; 0 turns it off.
    pub cache_entries: usize,
}

/// A session that somebody has just logged in on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedIn(pub SessionToken);

/// A session that a cookie of a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub id: Id,
    /// Whether the request has proved the device of the session. Without, it cannot end one that is
    /// bound to a device.
    pub is_proven: bool,
}

/// The sessions that a login replaces.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub named: Vec<Named>,
    /// The session of the request, if it is live.
    pub current: Option<Arc<LiveSession>>,
    /// Whether its values move to the new one.
    pub keep_values: bool,
}

impl Replaced {
    /// The one whose place the new session takes, among those that a request names.
    fn first(&self) -> Option<Id> {
        self.named.first().map(|named| named.id)
    }

    /// The same sessions; their values end with them.
    pub fn cleared(self) -> Self {
        Self {
            keep_values: false,
            ..self
        }
    }
}

impl Sessions {
    /// # Errors
    /// When the store of session values does not take the name of our table.
    pub fn new(
        db: Db,
        clock: Clock,
        cookie: SessionCookie,
        devices: Devices,
        limits: Limits,
    ) -> Result<Self, String> {
        let timeouts = limits.timeouts;
        Ok(Self(Arc::new(Parts {
            cache: SessionCache::new(db.clone(), timeouts, limits.cache_entries),
            reader: SessionReader::new(db.clone(), limits.passkey_domain),
            values: db.record_reader()?,
            per_user: i64::try_from(limits.per_user).unwrap_or(i64::MAX),
            event_streams: Places::default(),
            followers: Followers::default(),
            follower_permits: Permits::default(),
            db,
            clock,
            cookie,
            devices,
            timeouts,
            reauthentication_window: limits.reauthentication_window,
        })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn timeouts(&self) -> Timeouts {
        self.0.timeouts
    }

    /// How long a proof of who a user is counts, unless a route says otherwise.
    pub fn reauthentication_window(&self) -> Duration {
        self.0.reauthentication_window
    }

    pub fn cookie(&self) -> &SessionCookie {
        &self.0.cookie
    }

    /// How many sessions were found in the cache.
    pub fn cache_counts(&self) -> &CacheCounts {
        self.0.cache.counts()
    }

    /// The event streams that are open.
    pub fn event_streams(&self) -> &Places {
        &self.0.event_streams
    }

    /// How many sessions of users are live.
    pub async fn count_live(&self) -> sqlx::Result<u64> {
        let (timeouts, now) = (self.0.timeouts, self.now());
        store::count_live(&self.0.db, timeouts, now).await
    }

    /// The store that reads the values of handlers.
    pub fn values(&self) -> &dyn SessionStore {
        &*self.0.values
    }

    /// The session of a cookie, if it is cached and the cache is in sync.
    pub fn find_cached(&self, cookie: &[u8]) -> Option<Cached> {
        self.0.cache.get(cookie, self.now())
    }

    /// Notes the use of a cached session; false when it was revoked since it was found.
    pub fn reuse(&self, cached: &Cached) -> bool {
        let is_good = self.0.cache.is_still_good(cached);
        if is_good {
            self.0.cache.note_use(&cached.session, self.now());
        }
        is_good
    }

    /// Notes the use of a session.
    pub fn note_use(&self, session: &Arc<LiveSession>) {
        self.0.cache.note_use(session, self.now());
    }

    /// Reads a session from the database, and caches it under `cookie`, if given. Its use is to be
    /// [noted](Self::note_use).
    pub async fn find(
        &self,
        token: SessionToken,
        cookie: Option<&[u8]>,
    ) -> Result<Result<Arc<LiveSession>, NotLive>, Error> {
        let Parts { cache, reader, .. } = &*self.0;
        let (stamp, last_use) = cache.begin_read(token.id);
        let public_id = match token.public_id {
            Some(public_id) => Some(public_id),
            None => reader.read_public_id(token.id).await?,
        };
        let row = match public_id {
            Some(public_id) => reader.read(public_id).await?,
            None => None,
        };
        let now = self.now();
        let session = match live::live(token.id, row, self.0.timeouts, now, last_use) {
            Ok(session) => Arc::new(session),
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(cookie) = cookie {
            let session = session.clone();
            cache.put(cookie.into(), Cached { session, stamp });
        }
        Ok(Ok(session))
    }

    /// The record of a session whose own is corrupt: no values but those of the login.
    pub fn repaired(&self, id: Id, session: Option<&LiveSession>) -> Record {
        let (timeouts, now) = (self.0.timeouts, self.now());
        let expires_at = session.map_or_else(
            || timeouts.expires_at(now, now),
            |session| session.expires_at(timeouts),
        );
        record::repaired(id, session, expires_at)
    }

    /// Ends sessions, also those that were given a new id a moment ago. With a client, their
    /// users have logged out.
    pub async fn end(&self, named: Vec<Named>, client: Option<Client>) -> sqlx::Result<()> {
        if named.is_empty() {
            return Ok(());
        }
        let end = (self.clone(), named, client, self.now());
        let ended = self.0.db.write(end, |(sessions, named, client, now), tx| {
            Box::pin(sessions.delete(tx, named, client.as_ref(), *now))
        });
        ended.await
    }

    async fn delete(
        &self,
        tx: &mut Tx,
        named: &[Named],
        client: Option<&Client>,
        now: Timestamp,
    ) -> sqlx::Result<()> {
        tx.revoke(named.iter().map(|named| named.id.into()));
        for named in named {
            let endable = self.endable(*named, now);
            for (public_id, user_id) in device::store::delete(tx, named.id, endable).await? {
                tx.revoke([public_id.into()]);
                if let (Some(user_id), Some(client)) = (user_id, client) {
                    let event = Event::new(Action::LogOut, user_id, Some(client));
                    audit::record(tx, now, [event.ending(public_id)]).await?;
                }
            }
        }
        Ok(())
    }

    /// Ends one of a user's own sessions; false when they have none of that id.
    pub async fn end_one(
        &self,
        user_id: Uuid,
        public_id: Uuid,
        client: &Client,
    ) -> sqlx::Result<bool> {
        let event = Event::new(Action::EndSessions, user_id, Some(client)).ending(public_id);
        let end = (user_id, public_id, event, self.now());
        let end = self
            .0
            .db
            .write(end, |(user_id, public_id, event, now), tx| {
                Box::pin(async move {
                    // Another node may have ended it just now.
                    tx.revoke([(*public_id).into()]);
                    let is_ended = store::delete_own(tx, *user_id, *public_id).await?;
                    if is_ended {
                        audit::record(tx, *now, [event.clone()]).await?;
                    }
                    Ok(is_ended)
                })
            });
        end.await
    }

    /// The live sessions of a user, newest first. `current` is in use right now, which may not
    /// be in its row yet.
    pub async fn list(
        &self,
        user_id: Uuid,
        current: &LiveSession,
    ) -> sqlx::Result<Vec<OwnSession>> {
        let now = self.now();
        let mut sessions = store::list(&self.0.db, user_id, current.public_id, now).await?;
        for own in &mut sessions {
            own.device_bound &= self.devices().is_some();
            own.current = own.id == current.public_id;
            if own.current {
                own.last_seen_at = own.last_seen_at.max(current.last_use());
            }
        }
        sessions.retain(|own| now < self.0.timeouts.expires_at(own.created_at, own.last_seen_at));
        Ok(sessions)
    }

    /// Records, once, that the cookie of a session was re-signed. A failure to do so must not
    /// keep the cookie from its owner.
    pub async fn record_resigned(&self, session: &LiveSession, client: Option<&Client>) {
        let key_id = self.0.cookie.key_id();
        let Some(user) = &session.user else { return };
        if session.key_id.as_deref() == Some(key_id) {
            return;
        }
        let event = Event::new(Action::ResignCookie, user.id, client);
        let note = (self.clone(), session.public_id, event);
        let recorded = self.0.db.write(note, |(sessions, public_id, event), tx| {
            Box::pin(async move {
                let key_id = sessions.0.cookie.key_id();
                if store::note_key(tx, *public_id, key_id).await? {
                    audit::record(tx, sessions.now(), [event.clone()]).await?;
                }
                Ok::<_, sqlx::Error>(())
            })
        });
        if let Err(error) = recorded.await {
            tracing::warn!(%error, "could not record that a session cookie was re-signed");
        }
    }
}

/// Has the records of a user's sessions say the name that they have now.
pub(crate) async fn rename_user(tx: &mut Tx, user: &User) -> Result<(), Error> {
    for (id, data) in store::lock_all_data(tx, user.id).await? {
        // A corrupt one is repaired by who reads it.
        let (Ok(id), Ok(mut record)) = (id.parse::<Id>(), record::decode(&data)) else {
            continue;
        };
        record.data.extend(LogInData::of(user).into_values());
        let data = record::encode(&record).map_err(Error::internal)?;
        store::update_data(tx, id, &data).await?;
    }
    Ok(())
}
