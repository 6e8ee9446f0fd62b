//! The store behind the [`Session`](super::Session) of one request.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::lookup::Lookup;
use crate::auth::{
    cookie::token::SessionToken,
    session::{
        Sessions,
        record::{self, Data},
        store,
    },
};

/// Where the upstream store would bring a session back (its `save` is an upsert) or lose what
/// another request wrote (the last whole record wins), this one does neither.
#[derive(Debug)]
pub(crate) struct RecordStore {
    sessions: Sessions,
    lookup: Lookup,
    /// The values as this request found them, once it has looked.
    loaded: Mutex<Option<Data>>,
    created: Mutex<Option<SessionToken>>,
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

    /// The session that was added last, which the browser is to keep.
    pub fn created(&self) -> Option<SessionToken> {
        *self.lock_created()
    }

    fn lock_created(&self) -> MutexGuard<'_, Option<SessionToken>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for RecordStore {
    /// Adds a visitor's session: its row has no user, so it logs nobody in.
    async fn create(&self, record: &mut Record) -> Result<()> {
        let token = self
            .sessions
            .begin_for_visitor(record)
            .await
            .map_err(backend)?;
        *self.lock_created() = Some(token);
        Ok(())
    }

    /// Writes what this request changed, if the session is not over.
    async fn save(&self, record: &Record) -> Result<()> {
        let mut tx = self.sessions.db().begin().await.map_err(backend)?;
        let Some(data) = store::lock_data(&mut tx, record.id)
            .await
            .map_err(backend)?
        else {
            return Ok(());
        };
        let mut current = decode(&data)?;
        {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            // A handler that clears without looking clears all there is.
            let seen = loaded.take().unwrap_or_else(|| current.data.clone());
            record::merge(&seen, &record.data, &mut current.data);
            *loaded = Some(record.data.clone());
        }
        let data = record::encode(&current).map_err(|error| Error::Encode(error.to_string()))?;
        store::update_data(&mut tx, record.id, &data)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }

    /// The values of a session that is not over.
    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        if self
            .lookup
            .find(&self.sessions)
            .await
            .map_err(backend)?
            .is_err()
        {
            return Ok(None);
        }
        let record = self.sessions.values().load(id).await?;
        if let Some(record) = &record {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            *loaded = Some(record.data.clone());
        }
        Ok(record)
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.sessions.end(&[*id], None).await.map_err(backend)
    }
}

fn decode(data: &[u8]) -> Result<Record> {
    record::decode(data).map_err(|error| Error::Decode(error.to_string()))
}

fn backend(error: impl fmt::Display) -> Error {
    Error::Backend(error.to_string())
}
