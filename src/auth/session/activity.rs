//! Records the last use of sessions in the background.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;
use tower_sessions::session::Id;

use super::{live::LiveSession, store, timeouts::Timeouts};
use crate::{
    clock::Timestamp,
    db::{Db, Tx},
};

/// The queue's length; when it is full, the session's next use tries again.
const WAITING: usize = 16 * 1024;

/// A use to record.
#[derive(Debug)]
pub(crate) struct Touch {
    pub session: Arc<LiveSession>,
    pub at: Timestamp,
    /// The last use before this one.
    pub last: Timestamp,
}

impl Touch {
    fn undo(&self) {
        self.session.unnote_use(self.at, self.last);
    }
}

/// The queue of uses to record. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Touches {
    queue: mpsc::Sender<Touch>,
    waiting: Waiting,
}

/// Uses that are not in the database yet.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<HashMap<Id, Timestamp>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a use, unless a later one is queued by now.
    fn remove(&self, touch: &Touch) {
        let mut waiting = self.lock();
        if waiting.get(&touch.session.id) == Some(&touch.at) {
            waiting.remove(&touch.session.id);
        }
    }
}

impl Touches {
    /// The queue and the writer at its end.
    pub fn new(db: Db, timeouts: Timeouts) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, receiver) = mpsc::channel(WAITING);
        let waiting = Waiting::default();
        let writing = write_all(db, timeouts, receiver, waiting.clone());
        (Self { queue, waiting }, writing)
    }

    /// Queues a use.
    pub fn push(&self, touch: Touch) {
        self.waiting.lock().insert(touch.session.id, touch.at);
        if let Err(error) = self.queue.try_send(touch) {
            let touch = error.into_inner();
            self.waiting.remove(&touch);
            touch.undo();
        }
    }

    /// When the session was last used, if that is not in the database yet.
    pub fn waiting(&self, id: Id) -> Option<Timestamp> {
        self.waiting.lock().get(&id).copied()
    }
}

/// Writes in batches: alone, each statement would need a task and a savepoint of its own.
async fn write_all(db: Db, timeouts: Timeouts, mut queue: mpsc::Receiver<Touch>, waiting: Waiting) {
    let mut queued = Vec::new();
    while queue.recv_many(&mut queued, db.batch_size()).await > 0 {
        let touches = Arc::new(mem::take(&mut queued));
        let batch = (touches.clone(), timeouts);
        let written = db.write(batch, |(touches, timeouts), tx| {
            Box::pin(write(tx, touches, *timeouts))
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "the use of a session could not be recorded");
            touches.iter().for_each(Touch::undo);
        }
        touches.iter().for_each(|touch| waiting.remove(touch));
    }
}

/// Writes a batch, and revokes the sessions that are not as they are cached: ended, or used
/// elsewhere since.
async fn write(tx: &mut Tx, touches: &[Touch], timeouts: Timeouts) -> sqlx::Result<()> {
    for Touch { session, at, last } in touches {
        let (expires_at, due) = (session.expires_at(timeouts), timeouts.touch_due(*at));
        // The second use of a visitor's session does not wait until one is due.
        let due = due.max(*last);
        let ids = (session.public_id, session.id);
        if !store::touch(tx, ids, *at, expires_at, due).await? {
            tx.revoke([session.id.into()]);
        }
    }
    Ok(())
}
