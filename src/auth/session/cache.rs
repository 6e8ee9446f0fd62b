//! Live sessions in memory, true to the database.

use std::{
    iter,
    sync::{Arc, Mutex, PoisonError},
};

use quick_cache::sync::Cache;
use tokio::task::AbortHandle;
use tower_sessions::session::Id;

use super::{
    activity::{Touch, Touches},
    live::LiveSession,
    timeouts::Timeouts,
};
use crate::{
    clock::Timestamp,
    db::{Db, Stamp},
};

/// The sessions seen last, by the whole cookie: one that is here needs neither the database
/// nor its signature checked. It says who is logged in, never that somebody is not.
#[derive(Debug)]
pub(crate) struct SessionCache {
    db: Db,
    timeouts: Timeouts,
    /// None when nothing is to be kept.
    sessions: Option<Cache<Box<[u8]>, Known>>,
    background: Mutex<Option<Background>>,
}

/// A session with the moment before it was read.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub session: Arc<LiveSession>,
    pub stamp: Stamp,
}

/// What goes on beside the requests. What waits to be written is written also when the cache
/// is dropped, until the database is closed.
#[derive(Debug)]
struct Background {
    touches: Touches,
    writing: AbortHandle,
    /// None when nothing is kept.
    watching: Option<AbortHandle>,
}

impl Background {
    fn is_running(&self) -> bool {
        let mut tasks = iter::once(&self.writing).chain(&self.watching);
        tasks.all(|task| !task.is_finished())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(watching) = &self.watching {
            watching.abort();
        }
    }
}

impl SessionCache {
    /// Room for `entries` sessions.
    pub fn new(db: Db, timeouts: Timeouts, entries: usize) -> Self {
        Self {
            db,
            timeouts,
            sessions: (entries > 0).then(|| Cache::new(entries)),
            background: Mutex::default(),
        }
    }

    /// The session of a cookie, if it is here and what is here can be believed.
    pub fn get(&self, cookie: &[u8], now: Timestamp) -> Option<Known> {
        let known = self.sessions.as_ref()?.get(cookie)?;
        let counts = self.db.revocations().are_known()
            && self.still_counts(&known)
            && now < known.session.expires_at(self.timeouts);
        counts.then_some(known)
    }

    /// Whether a session that was found here has not been revoked since.
    pub fn still_counts(&self, known: &Known) -> bool {
        let revocables = known.session.revocables();
        self.db.revocations().is_good(known.stamp, revocables)
    }

    /// To be called before a session is read that is to be put here; with it comes the last
    /// use of the session that the database may not know yet.
    pub fn begin_read(&self, id: Id) -> (Stamp, Option<Timestamp>) {
        let last_use = self.background().waiting(id);
        (self.db.revocations().stamp(), last_use)
    }

    /// Keeps a session under its cookie, whose signature is right.
    pub fn put(&self, cookie: Box<[u8]>, known: Known) {
        if let Some(sessions) = &self.sessions {
            sessions.insert(cookie, known);
        }
    }

    /// Notes the use of a session, so that the idle timeout slides.
    pub fn note_use(&self, session: &Arc<LiveSession>, now: Timestamp) {
        if let Some(last) = session.note_use(self.timeouts, now) {
            let session = session.clone();
            self.background().push(Touch {
                session,
                at: now,
                last,
            });
        }
    }

    /// Starts what goes on in the background, where it does not: nobody can before there is
    /// a runtime, and the one it was started on may have ended.
    fn background(&self) -> Touches {
        let mut background = self
            .background
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = background.as_ref().filter(|tasks| tasks.is_running()) {
            return running.touches.clone();
        }
        let (touches, writing) = Touches::new(self.db.clone(), self.timeouts);
        let watching = self.sessions.is_some().then(|| {
            let db = self.db.clone();
            let watching = async move { db.watch().await };
            tokio::spawn(watching).abort_handle()
        });
        *background = Some(Background {
            touches: touches.clone(),
            writing: tokio::spawn(writing).abort_handle(),
            watching,
        });
        touches
    }
}
