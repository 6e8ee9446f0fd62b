//! The store behind the [`Session`](super::Session) of one request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};
use uuid::Uuid;

use super::lookup::Lookup;
use crate::auth::{
    Auth,
    cookie::token::SessionToken,
    session::{
        self,
        record::{self, Data},
        store::NewSession,
    },
};

/// Where the upstream store would bring a session back (its `save` is an upsert) or lose what
/// another request wrote (the last whole record wins), this one does neither.
#[derive(Debug)]
pub(crate) struct RecordStore {
    auth: Auth,
    lookup: Lookup,
    /// The values as this request found them, once it has looked.
    loaded: Mutex<Option<Data>>,
    created: Mutex<Option<SessionToken>>,
}

impl RecordStore {
    pub fn new(auth: Auth, lookup: Lookup) -> Self {
        Self {
            auth,
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
        let now = self.auth.now();
        let expires_at = self.auth.timeouts().expires_at(now, now);
        record.expiry_date = expires_at.into();
        // A flushed session's record still has the id that is dead.
        record.id = Id::default();
        let mut tx = self.auth.db().begin().await.map_err(backend)?;
        let public_id = Uuid::now_v7();
        loop {
            let data = record::encode(record).map_err(|error| Error::Encode(error.to_string()))?;
            let session = NewSession {
                record,
                public_id,
                user_id: None,
                client: None,
                key_id: self.auth.cookie().key_id(),
                now,
                expires_at,
            };
            if session::store::insert(&mut tx, session, &data)
                .await
                .map_err(backend)?
            {
                break;
            }
            record.id = Id::default();
        }
        tx.commit().await.map_err(backend)?;
        *self.lock_created() = Some(SessionToken::new(public_id, record.id));
        Ok(())
    }

    /// Writes what this request changed, if the session is not over.
    async fn save(&self, record: &Record) -> Result<()> {
        let mut tx = self.auth.db().begin().await.map_err(backend)?;
        let Some(data) = session::store::lock_data(&mut tx, record.id)
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
        session::store::update_data(&mut tx, record.id, &data)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)
    }

    /// The values of a session that is not over.
    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        if self
            .lookup
            .find(&self.auth)
            .await
            .map_err(backend)?
            .is_err()
        {
            return Ok(None);
        }
        let record = self.auth.record_reader().load(id).await?;
        if let Some(record) = &record {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            *loaded = Some(record.data.clone());
        }
        Ok(record)
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.auth.end_sessions(&[*id], None).await.map_err(backend)
    }
}

fn decode(data: &[u8]) -> Result<Record> {
    record::decode(data).map_err(|error| Error::Decode(error.to_string()))
}

fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}
