//! The store behind the [`Session`](super::Session) of one request.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result as StoreResult},
};
use uuid::Uuid;

use super::lookup::Lookup;
use crate::auth::{
    cookie::token::SessionToken,
    session::{
        Sessions,
        record::{self, Data},
        store,
    },
};
use crate::{db::Tx, http};

/// The upstream store would revive an ended session (its `save` is an upsert) and lose what another
/// request wrote (the last whole record wins); this one does neither.
pub(crate) struct RecordStore {
    sessions: Sessions,
    lookup: Lookup,
    /// The values as this request has loaded them, if it has.
    loaded: Mutex<Option<Data>>,
    created: Mutex<Option<SessionToken>>,
}

impl fmt::Debug for RecordStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordStore").finish_non_exhaustive()
    }
}

impl RecordStore {
    pub fn new(sessions: Sessions, lookup: Lookup) -> Self {
        Self {
            sessions,
            lookup,
            loaded: Mutex::default(),
            created: Mutex::default(),
        }
    }

    /// The session that was added last, whose cookie the response sets.
    pub fn created(&self) -> Option<SessionToken> {
        *self.lock_created()
    }

    fn lock_loaded(&self) -> MutexGuard<'_, Option<Data>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repaired(&self, id: Id) -> Record {
        self.sessions.repaired(id, self.lookup.found())
    }

    fn lock_created(&self) -> MutexGuard<'_, Option<SessionToken>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's changes to the values of its session.
#[derive(Debug)]
struct Merge {
    /// The values as the request has loaded them, if it has.
    loaded: Option<Data>,
    written: Record,
    /// The public id, where the request has found the session live: it may have been given another
    /// secret id since.
    found: Option<Uuid>,
    /// Used in place of a corrupt row.
    repaired: Record,
}

impl Merge {
    /// Merges the changes into the row; false when the session has ended.
    async fn write_into_row(&self, tx: &mut Tx) -> Result<bool, http::Error> {
        let row = match self.found {
            Some(public_id) => store::lock_renewed(tx, public_id).await?.and_then(parse_id),
            None => store::lock_data(tx, self.written.id)
                .await?
                .map(|data| (self.written.id, data)),
        };
        let Some((id, data)) = row else {
            return Ok(false);
        };
        let mut current = record::decode(&data).unwrap_or_else(|_| self.repaired.clone());
        // A handler that clears without loading clears everything.
        let loaded = self.loaded.as_ref().unwrap_or(&current.data).clone();
        record::merge(&loaded, &self.written.data, &mut current.data);
        current.id = id;
        let encoded = record::encode_to_store(&current, data.len())?;
        store::update_data(tx, current.id, &encoded).await?;
        Ok(true)
    }
}

/// An id that an operator has made up belongs to no session.
fn parse_id((id, data): (String, Vec<u8>)) -> Option<(Id, Vec<u8>)> {
    Some((id.parse().ok()?, data))
}

#[async_trait]
impl SessionStore for RecordStore {
    /// Adds a visitor's session: its row has no user, so it logs nobody in.
    async fn create(&self, record: &mut Record) -> StoreResult<()> {
        let token = self.sessions.begin_for_visitor(record).await;
        *self.lock_created() = Some(token.map_err(store_error)?);
        Ok(())
    }

    /// Writes this request's changes, if the session is live and its values fit.
    async fn save(&self, record: &Record) -> StoreResult<()> {
        if self.lookup.unproven_client().is_some()
            && self
                .lookup
                .find(&self.sessions)
                .await
                .map_err(backend)?
                .is_err()
        {
            return Ok(());
        }
        let found = self.lookup.found();
        let found = found.filter(|session| session.id == record.id);
        let merge = Merge {
            loaded: self.lock_loaded().clone(),
            written: record.clone(),
            found: found.map(|session| session.public_id),
            repaired: self.repaired(record.id),
        };
        let merged = self
            .sessions
            .db()
            .write(merge, |merge, tx| Box::pin(merge.write_into_row(tx)));
        if merged.await.map_err(store_error)? {
            *self.lock_loaded() = Some(record.data.clone());
        }
        Ok(())
    }

    /// The values of a live session.
    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        if self
            .lookup
            .find(&self.sessions)
            .await
            .map_err(backend)?
            .is_err()
        {
            return Ok(None);
        }
        let loaded = match self.sessions.values().load(id).await {
            Err(Error::Decode(_)) => Some(self.repaired(*id)),
            loaded => loaded?,
        };
        Ok(loaded.map(|record| {
            *self.lock_loaded() = Some(record.data.clone());
            // Whatever id the record has, it is this session's.
            Record { id: *id, ..record }
        }))
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        let named = self.lookup.name(*id);
        self.sessions.end(vec![named], None).await.map_err(backend)
    }
}

/// Maps errors to the kinds that `Session` distinguishes.
fn store_error(error: http::Error) -> Error {
    match error {
        http::Error::SessionValues(why) => Error::Encode(why),
        http::Error::Unavailable(_) => Error::Backend(error.to_string()),
        _ => Error::Decode(error.to_string()),
    }
}

fn backend(error: impl fmt::Display) -> Error {
    Error::Backend(error.to_string())
}
