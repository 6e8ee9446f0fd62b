//! Reads sessions from the database; concurrent requests share a query.

pub(super) mod store;

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::oneshot, task::yield_now};
use tower_sessions::session::Id;
use uuid::Uuid;

use self::store::{MAX_BATCH, SessionRow};
use crate::db::{Db, in_time};

/// The row, or the error that all requests of a query share.
type Row = Result<Option<SessionRow>, Arc<sqlx::Error>>;

/// Batches lookups: a request joins the next query, as a query costs several times what a row of
/// it does (1.4 of the cold requests a second that a query each allows). Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SessionReader(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    /// The domain whose passkeys can be used; none where passkeys are off.
    domain: Option<Box<str>>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Tasks that run queries.
    readers: usize,
    waiting: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    public_id: Uuid,
    answer: oneshot::Sender<Row>,
}

impl SessionReader {
    /// On a site with the passkeys of `domain`, if with any.
    pub fn new(db: Db, domain: Option<Box<str>>) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Parts { db, domain, queue }))
    }

    /// The row of a session, no older than this call.
    pub async fn read(&self, public_id: Uuid) -> Row {
        let (answer, answered) = oneshot::channel();
        let is_reader_wanted = {
            let mut queue = self.lock();
            queue.waiting.push_back(Asked { public_id, answer });
            let is_wanted = queue.readers < self.0.db.small_queries_at_once();
            queue.readers += usize::from(is_wanted);
            is_wanted
        };
        if is_reader_wanted {
            let turn = Turn {
                reader: self.clone(),
                is_over: false,
            };
            tokio::spawn(turn.read_all());
        }
        // With the queries that this one waits for, it would take longer than one may.
        in_time(async { answered.await.map_err(|_| sqlx::Error::WorkerCrashed) }).await?
    }

    /// The public id of a session, by its secret one.
    pub async fn read_public_id(&self, id: Id) -> sqlx::Result<Option<Uuid>> {
        store::find_public_id(&self.0.db, id).await
    }

    /// The rows of up to [`MAX_SWEEP`](store::MAX_SWEEP) sessions, in a query of their own.
    pub async fn read_many(&self, public_ids: &[Uuid]) -> sqlx::Result<Vec<SessionRow>> {
        store::find_many(&self.0.db, public_ids, self.0.domain.as_deref()).await
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit to run a query.
struct Turn {
    reader: SessionReader,
    is_over: bool,
}

impl Turn {
    /// Reads for all waiting requests, until none is left.
    async fn read_all(mut self) {
        let parts = self.reader.0.clone();
        let (db, domain) = (&parts.db, parts.domain.as_deref());
        loop {
            // Lets other requests join first.
            yield_now().await;
            let asked = self.next_waiting();
            match &*asked {
                [] => return,
                [one] => {
                    let row = store::find(db, one.public_id, domain)
                        .await
                        .map_err(Arc::new);
                    answer(asked, [row]);
                }
                several => {
                    let ids: Vec<Uuid> = several.iter().map(|one| one.public_id).collect();
                    let rows = store::find_several(db, &ids, domain)
                        .await
                        .map_err(Arc::new);
                    let row_of = |id: Uuid| match &rows {
                        Ok(rows) => Ok(rows.iter().find(|row| row.public_id == id).cloned()),
                        Err(error) => Err(error.clone()),
                    };
                    answer(asked, ids.into_iter().map(row_of));
                }
            }
        }
    }

    /// The next waiting requests, as many as one query takes; with none, the permit is given
    /// back. Requests whose client has disconnected are skipped.
    fn next_waiting(&mut self) -> Vec<Asked> {
        let mut queue = self.reader.lock();
        let mut next = Vec::with_capacity(queue.waiting.len().min(MAX_BATCH));
        while next.len() < MAX_BATCH {
            match queue.waiting.pop_front() {
                Some(asked) if asked.answer.is_closed() => {}
                Some(asked) => next.push(asked),
                None => break,
            }
        }
        if next.is_empty() {
            queue.readers -= 1;
            self.is_over = true;
        }
        next
    }
}

impl Drop for Turn {
    /// When the runtime shuts down midway and no reader is left, nobody must wait for one.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut queue = self.reader.lock();
        queue.readers -= 1;
        if queue.readers == 0 {
            let waiting = mem::take(&mut queue.waiting);
            drop(queue);
            // Wakes them, who may want the queue.
            drop(waiting);
        }
    }
}

/// Sends each request its row, in order.
fn answer(asked: Vec<Asked>, rows: impl IntoIterator<Item = Row>) {
    for (Asked { answer, .. }, row) in asked.into_iter().zip(rows) {
        // The client may have disconnected meanwhile.
        let _ = answer.send(row);
    }
}
