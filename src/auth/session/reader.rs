//! Reads sessions from the database, those that are asked for at the same time in one query.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::yield_now, time::timeout};
use tower_sessions::session::Id;
use uuid::Uuid;

use super::store::{self, MAX_BATCH, SessionRow};
use crate::db::Db;

/// An answer that has not come by then is not waited for: on a connection that a fail-over
/// has left behind, it never comes.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// What is read: the same error for everybody who shared the query.
type Row = Result<Option<SessionRow>, Arc<sqlx::Error>>;

/// Whoever asks waits for a query that is about to begin, and shares it: a query costs several
/// times what a row of it does. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SessionReader(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    db: Db,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Tasks that read for those who wait.
    readers: usize,
    waiting: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    public_id: Uuid,
    answer: oneshot::Sender<Row>,
}

impl SessionReader {
    pub fn new(db: Db) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Parts { db, queue }))
    }

    /// The row of a session, as it is at this moment or a later one.
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
        answered
            .await
            .unwrap_or(Err(Arc::new(sqlx::Error::WorkerCrashed)))
    }

    /// The public id of a session of which only the secret one is known.
    pub async fn read_public_id(&self, id: Id) -> sqlx::Result<Option<Uuid>> {
        in_time(store::find_public_id(&self.0.db, id)).await
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to have a query under way.
struct Turn {
    reader: SessionReader,
    is_over: bool,
}

impl Turn {
    /// Reads for all who wait, until nobody does.
    async fn read_all(mut self) {
        let db = self.reader.0.db.clone();
        loop {
            // Whoever else is about to ask does so first.
            yield_now().await;
            let asked = self.next_waiting();
            match &*asked {
                [] => return,
                [one] => {
                    let row = in_time(store::find(&db, one.public_id))
                        .await
                        .map_err(Arc::new);
                    answer(asked, [row]);
                }
                several => {
                    let ids: Vec<Uuid> = several.iter().map(|one| one.public_id).collect();
                    let rows = in_time(store::find_several(&db, &ids))
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

    /// The next who wait, up to as many as one query is for; with nobody, the turn is over.
    /// Who has hung up needs no answer.
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
    /// Cut short, by the end of its runtime: where nobody is left to read, nobody waits.
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

/// A row for each, in the order of those who asked.
fn answer(asked: Vec<Asked>, rows: impl IntoIterator<Item = Row>) {
    for (Asked { answer, .. }, row) in asked.into_iter().zip(rows) {
        // Who has hung up meanwhile does not hear it.
        let _ = answer.send(row);
    }
}

async fn in_time<T>(read: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(MAX_WAIT, read)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
