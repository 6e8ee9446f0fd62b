//! Reads all followed sessions together, when another process may have changed any of them.
//!
//! SQLite says only that another process has written, not what. Were each follower to read its
//! session then, thousands of streams would read thousands of rows five times a second for as long
//! as anybody writes. So one task reads them, some hundred in a query, and wakes the followers of
//! those that have changed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::pause;
use crate::{
    auth::session::{
        Parts, Sessions,
        live::{self, LiveSession},
        reader::store::{MAX_SWEEP, SessionRow},
        timeouts::Timeouts,
    },
    clock::Timestamp,
};

/// The time between the beginnings of two sweeps. With the 200 ms within which a write is noticed
/// and the sweep itself, an end arrives within 1.2 s.
const SPACING: Duration = Duration::from_millis(700);

/// The followers of sessions in this process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(in crate::auth::session) struct Followers(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last_number: u64,
    by_number: BTreeMap<u64, Entry>,
    is_swept: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// As the follower has last read it.
    session: Arc<LiveSession>,
    /// Has the follower read it again.
    wake: Arc<Notify>,
}

/// One follower among them, until it is dropped.
#[derive(Debug)]
pub(super) struct Following {
    followers: Followers,
    number: u64,
}

/// Held by the task that sweeps: another one begins where it has ended with its runtime.
struct Sweeping(Followers);

impl Followers {
    pub(super) fn add(&self, session: Arc<LiveSession>, wake: Arc<Notify>) -> Following {
        let mut state = self.lock();
        state.last_number += 1;
        let number = state.last_number;
        state.by_number.insert(number, Entry { session, wake });
        drop(state);
        Following {
            followers: self.clone(),
            number,
        }
    }

    fn begin_to_sweep(&self) -> Option<Sweeping> {
        let is_swept = std::mem::replace(&mut self.lock().is_swept, true);
        (!is_swept).then(|| Sweeping(self.clone()))
    }

    /// All of them, by session.
    fn by_session(&self) -> BTreeMap<Uuid, Vec<Entry>> {
        let mut by_session = BTreeMap::<Uuid, Vec<Entry>>::new();
        for entry in self.lock().by_number.values() {
            let followers = by_session.entry(entry.session.public_id).or_default();
            followers.push(entry.clone());
        }
        by_session
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    /// Notes the session as it was read again.
    pub fn note(&self, session: Arc<LiveSession>) {
        if let Some(entry) = self.followers.lock().by_number.get_mut(&self.number) {
            entry.session = session;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followers.lock().by_number.remove(&self.number);
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.lock().is_swept = false;
    }
}

impl Sessions {
    /// Has followers woken from now on when everything may have changed.
    pub(super) fn keep_sweeping(&self) {
        if let Some(sweeping) = self.0.followers.begin_to_sweep() {
            let everything = self.db().revocations().listen_to_everything();
            tokio::spawn(keep_sweeping(Arc::downgrade(&self.0), everything, sweeping));
        }
    }

    /// Wakes the followers of sessions that have changed.
    async fn sweep(&self) -> sqlx::Result<()> {
        let by_session = self.0.followers.by_session();
        let ids: Vec<Uuid> = by_session.keys().copied().collect();
        for ids in ids.chunks(MAX_SWEEP) {
            let rows = self.0.reader.read_many(ids).await?;
            let mut rows: HashMap<Uuid, SessionRow> =
                rows.into_iter().map(|row| (row.public_id, row)).collect();
            let (timeouts, now) = (self.timeouts(), self.now());
            for id in ids {
                let session = read(rows.remove(id), timeouts, now);
                for entry in by_session.get(id).into_iter().flatten() {
                    let seen = &entry.session;
                    if !session
                        .as_ref()
                        .is_some_and(|now| is_same(seen, now, timeouts))
                    {
                        entry.wake.notify_one();
                    }
                }
            }
        }
        Ok(())
    }
}

/// Sweeps when everything was revoked, until the sessions or the database are dropped.
async fn keep_sweeping(
    parts: Weak<Parts>,
    mut everything: watch::Receiver<()>,
    _sweeping: Sweeping,
) {
    let mut is_due = false;
    while is_due || everything.changed().await.is_ok() {
        let Some(parts) = parts.upgrade() else { return };
        let begun = Instant::now();
        let swept = Sessions(parts).sweep().await;
        is_due = swept.is_err();
        match swept {
            Ok(()) => sleep_until(begun + SPACING).await,
            Err(error) => {
                tracing::debug!(%error, "the sessions that are followed cannot be read");
                sleep(pause()).await;
            }
        }
    }
}

/// The session of a row, if it is live.
fn read(row: Option<SessionRow>, timeouts: Timeouts, now: Timestamp) -> Option<LiveSession> {
    let id = row.as_ref()?.id.parse().ok()?;
    live::live(id, row, timeouts, now, None).ok()
}

/// Whether a follower who has `seen` the session has nothing to do. One that now expires later is
/// read at the time that was seen.
fn is_same(seen: &LiveSession, now: &LiveSession, timeouts: Timeouts) -> bool {
    seen.id == now.id
        && seen.user == now.user
        && seen.proof == now.proof
        && seen.bound_at() == now.bound_at()
        && seen.expires_at(timeouts) <= now.expires_at(timeouts)
}
