//! Finds, begins, renews and ends sessions, in the database and in the cache.

mod activity;
pub(crate) mod cache;
pub(crate) mod live;
mod reader;
pub(crate) mod record;
pub(crate) mod store;
pub(crate) mod timeouts;

use std::{fmt, sync::Arc};

use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};
use uuid::Uuid;

use self::{
    cache::{Known, SessionCache},
    live::{LiveSession, NotLive},
    reader::SessionReader,
    record::{Data, LogInData},
    store::{NewSession, OwnSession},
    timeouts::Timeouts,
};
use super::{
    audit::{self, Action, Event},
    cookie::{SessionCookie, token::SessionToken},
    user::User,
};
use crate::{
    clock::{Clock, Timestamp},
    db::{Db, Revocable, Tx},
    http::{Client, Error},
};

/// The sessions of one database. Cheap to clone. `Debug` shows none of them.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Parts>);

struct Parts {
    db: Db,
    clock: Clock,
    cookie: SessionCookie,
    cache: SessionCache,
    reader: SessionReader,
    values: Arc<dyn SessionStore>,
    timeouts: Timeouts,
    per_user: i64,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// How sessions are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub timeouts: Timeouts,
    /// Sessions of one user; one more login ends the oldest.
    pub per_user: usize,
    /// Sessions in the cache; 0 turns it off.
    pub cache_entries: usize,
}

/// The sessions that a login replaces.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub ids: Vec<Id>,
    /// The session of the request, if it is live.
    pub current: Option<Arc<LiveSession>>,
    /// Whether its values move to the new one.
    pub keep_values: bool,
}

impl Replaced {
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
        limits: Limits,
    ) -> Result<Self, String> {
        let timeouts = limits.timeouts;
        Ok(Self(Arc::new(Parts {
            cache: SessionCache::new(db.clone(), timeouts, limits.cache_entries),
            reader: SessionReader::new(db.clone()),
            values: db.record_reader()?,
            per_user: i64::try_from(limits.per_user).unwrap_or(i64::MAX),
            db,
            clock,
            cookie,
            timeouts,
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

    pub fn cookie(&self) -> &SessionCookie {
        &self.0.cookie
    }

    /// The store that reads the values of handlers.
    pub fn values(&self) -> &dyn SessionStore {
        &*self.0.values
    }

    /// The session of a cookie, if it is cached and the cache is in sync.
    pub fn find_cached(&self, cookie: &[u8]) -> Option<Known> {
        self.0.cache.get(cookie, self.now())
    }

    /// Notes the use of a cached session; false when it was revoked since it was found.
    pub fn reuse(&self, known: &Known) -> bool {
        let is_good = self.0.cache.still_counts(known);
        if is_good {
            self.0.cache.note_use(&known.session, self.now());
        }
        is_good
    }

    /// Reads a session from the database, and caches it under `cookie`, if given.
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
        cache.note_use(&session, now);
        if let Some(cookie) = cookie {
            let session = session.clone();
            cache.put(cookie.into(), Known { session, stamp });
        }
        Ok(Ok(session))
    }

    /// Begins a session without a user: it logs nobody in.
    pub async fn begin_for_visitor(&self, record: &mut Record) -> Result<SessionToken, Error> {
        let now = self.now();
        let expires_at = self.0.timeouts.visitor_expires_at(now);
        record.expiry_date = expires_at.into();
        // A flushed session's record still has the id that was deleted.
        record.id = Id::default();
        // Refused before it takes the write lock.
        record::encode_to_store(record, 0)?;
        let mut tx = self.0.db.begin().await?;
        let public_id = now.new_id();
        loop {
            let data = record::encode_to_store(record, 0)?;
            let session = NewSession {
                record,
                public_id,
                user_id: None,
                client: None,
                key_id: self.0.cookie.key_id(),
                now,
                expires_at,
            };
            if store::insert(&mut tx, session, &data).await? {
                break;
            }
            record.id = Id::default();
        }
        tx.commit().await?;
        Ok(SessionToken::new(public_id, record.id))
    }

    /// Logs `user` in on a new session and commits `tx`, the transaction that verified them.
    /// The replaced sessions end with it; their values move along unless they belong to
    /// another user. `action` is what the login was part of.
    pub async fn begin(
        &self,
        mut tx: Tx,
        user: &User,
        client: &Client,
        replaced: Replaced,
        action: Action,
    ) -> Result<SessionToken, Error> {
        let now = self.now();
        let mut ended: Vec<Revocable> = replaced.ids.iter().map(|id| (*id).into()).collect();
        let mut data = Data::new();
        let mut events = vec![Event::new(action, user.id, Some(client))];
        for old in replaced.ids.iter().copied() {
            match store::take(&mut tx, old).await? {
                Some((_, Some(owner))) if owner != user.id => {
                    events.push(Event::new(Action::LogOut, owner, Some(client)));
                }
                Some((bytes, _)) if replaced.keep_values => {
                    data = record::values_or_none(&bytes, replaced.current.as_deref());
                }
                _ => {}
            }
        }
        data.extend(LogInData::of(user).into_values());

        let expires_at = self.0.timeouts.expires_at(now, now);
        let record = record::new_record(data, expires_at);
        let bytes = record::encode(&record).map_err(Error::internal)?;
        let public_id = now.new_id();
        let session = NewSession {
            record: &record,
            public_id,
            user_id: Some(user.id),
            client: Some(client),
            key_id: self.0.cookie.key_id(),
            now,
            expires_at,
        };
        if !store::insert(&mut tx, session, &bytes).await? {
            return Err(Error::internal("a fresh session id is taken"));
        }
        let kept = self.0.per_user.saturating_sub(1).max(0);
        let oldest = store::delete_oldest(&mut tx, user.id, public_id, kept, now).await?;
        if !oldest.is_empty() {
            events.push(Event::new(Action::EndSessions, user.id, Some(client)));
        }
        ended.extend(oldest.into_iter().map(Revocable::from));
        audit::commit(&self.0.db, tx, now, &events, ended).await?;
        Ok(SessionToken::new(public_id, record.id))
    }

    /// Gives a session a new secret id and commits `tx`, which has ended the other sessions of
    /// `user_id` because of `event`. None, and nothing is committed, when the session has
    /// ended meanwhile.
    pub async fn renew(
        &self,
        mut tx: Tx,
        token: SessionToken,
        current: Option<&LiveSession>,
        user_id: Uuid,
        event: Event<'_>,
    ) -> Result<Option<SessionToken>, Error> {
        let Some(bytes) = store::lock_data(&mut tx, token.id).await? else {
            return Ok(None);
        };
        let record = record::decode(&bytes).unwrap_or_else(|_| self.repaired(token.id, current));
        let record = Record {
            id: Id::default(),
            ..record
        };
        let bytes = record::encode(&record).map_err(Error::internal)?;
        store::change_id(&mut tx, token.id, record.id, &bytes).await?;
        let ended = vec![user_id.into(), token.id.into()];
        audit::commit(&self.0.db, tx, self.now(), &[event], ended).await?;
        Ok(Some(SessionToken {
            id: record.id,
            ..token
        }))
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
    pub async fn end(&self, ids: &[Id], client: Option<&Client>) -> sqlx::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut ended: Vec<Revocable> = ids.iter().map(|id| (*id).into()).collect();
        let mut events = Vec::new();
        let mut tx = self.0.db.begin().await?;
        for id in ids {
            for (public_id, user_id) in store::delete(&mut tx, *id).await? {
                ended.push(public_id.into());
                if let (Some(user_id), Some(client)) = (user_id, client) {
                    events.push(Event::new(Action::LogOut, user_id, Some(client)));
                }
            }
        }
        audit::commit(&self.0.db, tx, self.now(), &events, ended).await
    }

    /// Ends one of a user's own sessions; false when they have none of that id.
    pub async fn end_one(
        &self,
        user_id: Uuid,
        public_id: Uuid,
        client: &Client,
    ) -> sqlx::Result<bool> {
        let mut tx = self.0.db.begin().await?;
        let is_ended = store::delete_own(&mut tx, user_id, public_id).await?;
        let event = Event::new(Action::EndSessions, user_id, Some(client));
        let events = if is_ended { &[event][..] } else { &[] };
        // Another node may have ended it just now.
        let ended = vec![public_id.into()];
        audit::commit(&self.0.db, tx, self.now(), events, ended).await?;
        Ok(is_ended)
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
        let recorded = async {
            let mut tx = self.0.db.begin().await?;
            if store::note_key(&mut tx, session.public_id, key_id).await? {
                let event = Event::new(Action::ResignCookie, user.id, client);
                audit::commit(&self.0.db, tx, self.now(), &[event], Vec::new()).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
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
