//! The cache of live sessions, invalidated as their rows change.

use std::{
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
    auth::statistics::CacheCounts,
    clock::Timestamp,
    db::{Db, Stamp},
};

/// The sessions used last, by the whole value of the cookie: a hit needs neither the database nor
/// a check of the signature. It can tell that somebody is logged in, never that nobody is.
#[derive(Debug)]
pub(crate) struct SessionCache {
    db: Db,
    timeouts: Timeouts,
    /// None when the cache is off.
    sessions: Option<Cache<Box<[u8]>, Cached>>,
    background: Mutex<Option<Background>>,
    counts: CacheCounts,
}

/// A session with the stamp taken before it was read.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub session: Arc<LiveSession>,
    pub stamp: Stamp,
}

/// The background tasks. Queued uses are still recorded after the cache is dropped, until the
/// database is closed.
#[derive(Debug)]
struct Background {
    touches: Touches,
    writing: AbortHandle,
    /// None when the cache is off and nobody follows a session.
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
            counts: CacheCounts::default(),
        }
    }

    /// The session of a cookie, if it is cached, not revoked, and the cache is in sync.
    pub fn get(&self, cookie: &[u8], now: Timestamp) -> Option<Cached> {
        let cached = self.sessions.as_ref()?.get(cookie)?;
        let revocables = cached.session.revocables();
        let counts = self.db.revocations().is_fresh(cached.stamp, revocables)
            && now < cached.session.expires_at(self.timeouts);
        if !counts {
            return None;
        }
        self.counts.hits.add(1);
        Some(cached)
    }

    /// Whether a session that was found here has not been revoked since it was read.
    pub fn is_still_good(&self, cached: &Cached) -> bool {
        let revocables = cached.session.revocables();
        self.db.revocations().is_good(cached.stamp, revocables)
    }

    /// Takes the stamp for a session that is about to be read and cached; returns its last use,
    /// too, if that may not be in the database yet.
    pub fn begin_read(&self, id: Id) -> (Stamp, Option<Timestamp>) {
        self.counts.misses.add(1);
        let last_use = self.waiting_use(id);
        (self.db.revocations().stamp(), last_use)
    }

    /// When the session was last used, if that may not be in the database yet.
    pub fn waiting_use(&self, id: Id) -> Option<Timestamp> {
        self.background().waiting(id)
    }

    /// Has the changes of other processes applied from now on, also where nothing is cached.
    pub fn keep_watching(&self) {
        let mut background = self.lock_background();
        let Background { watching, .. } = self.running(&mut background);
        watching.get_or_insert_with(|| self.watch());
    }

    /// How many sessions were found, and how many had to be read.
    pub fn counts(&self) -> &CacheCounts {
        &self.counts
    }

    /// Caches a session under its cookie, whose signature is verified.
    pub fn put(&self, cookie: Box<[u8]>, cached: Cached) {
        if let Some(sessions) = &self.sessions {
            sessions.insert(cookie, cached);
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

    fn background(&self) -> Touches {
        let mut background = self.lock_background();
        self.running(&mut background).touches.clone()
    }

    /// Starts the background tasks if they are not running: they need a runtime, and the one they
    /// were started on may have shut down.
    fn running<'b>(&self, background: &'b mut Option<Background>) -> &'b mut Background {
        if background.as_ref().is_some_and(|tasks| !tasks.is_running()) {
            *background = None;
        }
        background.get_or_insert_with(|| {
            let (touches, writing) = Touches::new(self.db.clone(), self.timeouts);
            Background {
                touches,
                writing: tokio::spawn(writing).abort_handle(),
                watching: self.sessions.is_some().then(|| self.watch()),
            }
        })
    }

    fn watch(&self) -> AbortHandle {
        let db = self.db.clone();
        tokio::spawn(async move { db.watch().await }).abort_handle()
    }

    fn lock_background(&self) -> MutexGuard<'_, Option<Background>> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
