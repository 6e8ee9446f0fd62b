//! Reads sessions from the database, those that are asked for at the same time in one query.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::FromRow;
use tokio::{sync::oneshot, task::yield_now, time::timeout};
use tower_sessions::session::Id;
use uuid::Uuid;

use super::timeouts::Written;
use crate::{
    clock::Timestamp,
    db::{Db, on_small_reader},
};

/// Rows in one query. The text has to name as many parameters.
const MOST: usize = 16;
/// An answer that has not come by then is not waited for: on a connection that a fail-over
/// has left behind, it never comes.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A session with its user.
#[derive(Clone, Debug, FromRow)]
pub(super) struct SessionRow {
    /// The secret one.
    pub id: String,
    pub public_id: Uuid,
    pub session_created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expiry_date: Timestamp,
    pub key_id: Option<String>,
    /// None for a visitor.
    pub user_id: Option<Uuid>,
    /// What follows is none, too, for a user who was deleted or disabled.
    pub username: Option<String>,
    pub email: Option<String>,
    pub created_at: Option<Timestamp>,
}

impl SessionRow {
    pub fn written(&self) -> Written {
        Written {
            is_visitor: self.user_id.is_none(),
            created_at: self.session_created_at,
            last_seen_at: self.last_seen_at,
            expiry_date: self.expiry_date,
        }
    }
}

macro_rules! select_where_public_id {
    ($condition:literal) => {
        concat!(
            "select s.id, s.public_id, s.created_at as session_created_at, s.last_seen_at,
                    s.expiry_date, s.key_id, s.user_id, u.username, u.email, u.created_at
             from sessions s
             left join users u on u.id = s.user_id and u.disabled_at is null
             where s.public_id ",
            $condition
        )
    };
}

const ONE: &str = select_where_public_id!("= $1");
const SEVERAL: &str = select_where_public_id!(
    "in ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);

/// Whoever asks waits for a query that is about to begin, and shares it: a query costs several
/// times what a row of it does. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SessionReader(Arc<Parts>);

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
    answer: oneshot::Sender<sqlx::Result<Option<SessionRow>>>,
}

impl SessionReader {
    pub fn new(db: Db) -> Self {
        let queue = Mutex::default();
        Self(Arc::new(Parts { db, queue }))
    }

    /// The row of a session, as it is at this moment or a later one.
    pub async fn read(&self, public_id: Uuid) -> sqlx::Result<Option<SessionRow>> {
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
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    /// The public id of a session of which only the secret one is known.
    pub async fn read_public_id(&self, id: Id) -> sqlx::Result<Option<Uuid>> {
        in_time(async {
            on_small_reader!(self.0.db, conn => sqlx::query_scalar(
                "select public_id from sessions where id = $1",
            )
            .bind(id.to_string())
            .fetch_optional(conn)
            .await)
        })
        .await
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
                    let row = read_one(&db, one.public_id).await;
                    answer(asked, [row]);
                }
                several => {
                    let ids: Vec<Uuid> = several.iter().map(|one| one.public_id).collect();
                    let rows = read_several(&db, &ids).await;
                    let row_of = |id: Uuid| match &rows {
                        Ok(rows) => Ok(rows.iter().find(|row| row.public_id == id).cloned()),
                        Err(error) => Err(clone_error(error)),
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
        let mut next = Vec::with_capacity(queue.waiting.len().min(MOST));
        while next.len() < MOST {
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
fn answer(asked: Vec<Asked>, rows: impl IntoIterator<Item = sqlx::Result<Option<SessionRow>>>) {
    for (Asked { answer, .. }, row) in asked.into_iter().zip(rows) {
        // Who has hung up meanwhile does not hear it.
        let _ = answer.send(row);
    }
}

/// The same for everybody who waited: whether the database is away or a row is not as it must
/// be, and the words.
fn clone_error(error: &sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            sqlx::Error::Decode(error.to_string().into())
        }
        _ => sqlx::Error::Protocol(error.to_string()),
    }
}

async fn read_one(db: &Db, public_id: Uuid) -> sqlx::Result<Option<SessionRow>> {
    in_time(async {
        on_small_reader!(db, conn => sqlx::query_as(ONE)
            .bind(public_id)
            .fetch_optional(conn)
            .await)
    })
    .await
}

/// Names the first ids again where there are fewer than parameters.
async fn read_several(db: &Db, public_ids: &[Uuid]) -> sqlx::Result<Vec<SessionRow>> {
    in_time(async {
        on_small_reader!(db, conn => {
            let mut query = sqlx::query_as(SEVERAL);
            for public_id in public_ids.iter().cycle().take(MOST) {
                query = query.bind(*public_id);
            }
            query.fetch_all(conn).await
        })
    })
    .await
}

async fn in_time<T>(read: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(MAX_WAIT, read)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
