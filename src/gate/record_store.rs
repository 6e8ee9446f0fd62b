//! The store behind the [`Session`](super::Session) of one request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};
use uuid::Uuid;

use super::{
    lookup::Lookup,
    record::{self, Data},
    session_token::SessionToken,
    sessions::{self, NewSession},
    state::Gate,
};

/// Where the upstream store would bring a session back (its `save` is an upsert) or lose what
/// another request wrote (the last whole record wins), this one does neither.
#[derive(Debug)]
pub(super) struct RecordStore {
    gate: Gate,
    lookup: Lookup,
    /// The values as this request found them, once it has looked.
    loaded: Mutex<Option<Data>>,
    created: Mutex<Option<SessionToken>>,
}

impl RecordStore {
    pub fn new(gate: Gate, lookup: Lookup) -> Self {
        Self {
            gate,
            lookup,
            loaded: Mutex::default(),
            created: Mutex::default(),
        }
    }

    /// The session that was added last, which the browser is to keep.
    pub fn created(&self) -> Option<SessionToken> {
        *self.lock_created()
    }

    fn lock_loaded(&self) -> MutexGuard<'_, Option<Data>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repaired(&self, id: Id) -> Record {
        let session = self.lookup.found();
        let timeouts = self.gate.timeouts();
        let expires_at = session.map_or_else(
            || timeouts.expires_at(self.gate.now(), self.gate.now()),
            |session| session.expires_at(timeouts),
        );
        record::repaired(id, session, expires_at)
    }

    fn lock_created(&self) -> MutexGuard<'_, Option<SessionToken>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionStore for RecordStore {
    /// Adds a visitor's session: its row has no user, so it logs nobody in.
    async fn create(&self, record: &mut Record) -> Result<()> {
        let now = self.gate.now();
        let expires_at = self.gate.timeouts().visitor_expires_at(now, now);
        record.expiry_date = expires_at.into();
        // A flushed session's record still has the id that is dead.
        record.id = Id::default();
        // Refused before it takes the write lock.
        encode(record, 0)?;
        let mut tx = self.gate.db().begin().await.map_err(backend)?;
        let public_id = Uuid::now_v7();
        loop {
            let data = encode(record, 0)?;
            let session = NewSession {
                record,
                public_id,
                user_id: None,
                client: None,
                key_id: self.gate.cookie().key_id(),
                now,
                expires_at,
            };
            if sessions::insert(&mut tx, session, &data)
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

    /// Writes what this request changed, if the session is not over and its values are not too
    /// many.
    async fn save(&self, record: &Record) -> Result<()> {
        let mut tx = self.gate.db().begin().await.map_err(backend)?;
        let Some(data) = sessions::lock_data(&mut tx, record.id)
            .await
            .map_err(backend)?
        else {
            return Ok(());
        };
        let old_length = data.len();
        let mut current = record::decode(&data).unwrap_or_else(|_| self.repaired(record.id));
        {
            let loaded = self.lock_loaded();
            // A handler that clears without looking clears all there is.
            let seen = loaded.as_ref().unwrap_or(&current.data).clone();
            record::merge(&seen, &record.data, &mut current.data);
        }
        current.id = record.id;
        let data = encode(&current, old_length)?;
        sessions::update_data(&mut tx, record.id, &data)
            .await
            .map_err(backend)?;
        tx.commit().await.map_err(backend)?;
        *self.lock_loaded() = Some(record.data.clone());
        Ok(())
    }

    /// The values of a session that is not over.
    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        if self
            .lookup
            .find(&self.gate)
            .await
            .map_err(backend)?
            .is_err()
        {
            return Ok(None);
        }
        let loaded = match self.gate.record_reader().load(id).await {
            Err(Error::Decode(_)) => Some(self.repaired(*id)),
            loaded => loaded?,
        };
        Ok(loaded.map(|record| {
            *self.lock_loaded() = Some(record.data.clone());
            // Whatever the record says, it is this session's.
            Record { id: *id, ..record }
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.gate.end_sessions(&[*id], None).await.map_err(backend)
    }
}

/// A record that replaces one of `old_length` bytes.
fn encode(record: &Record, old_length: usize) -> Result<Vec<u8>> {
    let data = record::encode(record).map_err(|error| Error::Encode(error.to_string()))?;
    record::check_length(data.len(), old_length).map_err(Error::Encode)?;
    Ok(data)
}

fn backend(error: sqlx::Error) -> Error {
    Error::Backend(error.to_string())
}
