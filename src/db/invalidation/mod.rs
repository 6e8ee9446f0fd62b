//! When sessions and users were last revoked; cached rows are checked against it.

#[cfg(test)]
mod interleavings;
mod listeners;
#[cfg(test)]
mod model;
mod number;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tower_sessions::session::Id;
use uuid::Uuid;

pub(crate) use self::listeners::Listener;
use self::{listeners::Listeners, number::Number};

/// Ids that share a slot are revoked together; the others then cost a query each.
const SLOTS: usize = 1 << 14;
/// How long the cache is used after it was last in sync with other processes: well below the
/// second within which their changes must take effect.
const MAX_STALENESS: Duration = Duration::from_millis(800);

/// When each session and user was last revoked, in an order that all threads agree on. A row
/// that was read from the database is fresh until something that concerns it is revoked after
/// the stamp taken *before* it was read; so a reader that is slower than a revocation does no
/// harm. All caches of one [`Db`](super::Db) share it. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Revocations<N = AtomicU64, const SLOTS: usize = { self::SLOTS }>(Arc<State<N>>);

#[derive(Debug)]
struct State<N> {
    last: N,
    everything: N,
    slots: Box<[N]>,
    start: Instant,
    /// In microseconds since `start`.
    in_sync_until: N,
    /// What others had committed by this moment is revoked here, in microseconds since `start`; 0
    /// while nobody watches.
    /// No decision is made by it, so it is none of the numbers whose order is checked.
    synced_until: AtomicU64,
    listeners: Listeners,
}

/// A moment in the order of revocations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp(u64);

/// An id of something that can be revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Revocable(u128);

impl From<Uuid> for Revocable {
    fn from(id: Uuid) -> Self {
        Self(id.as_u128())
    }
}

impl From<Id> for Revocable {
    fn from(id: Id) -> Self {
        Self(id.0.cast_unsigned())
    }
}

impl<N, const SLOTS: usize> Clone for Revocations<N, SLOTS> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N: Number, const SLOTS: usize> Default for Revocations<N, SLOTS> {
    fn default() -> Self {
        Self(Arc::new(State {
            last: N::default(),
            everything: N::default(),
            slots: (0..SLOTS).map(|_| N::default()).collect(),
            start: Instant::now(),
            in_sync_until: N::default(),
            synced_until: AtomicU64::new(0),
            listeners: Listeners::default(),
        }))
    }
}

impl<N: Number, const SLOTS: usize> Revocations<N, SLOTS> {
    /// Taken before a row is read.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.0.last.get())
    }

    /// Whether a row read after `stamp` may be used: none of `ids` was revoked since, and what
    /// other processes revoke is in sync. That first: it is announced after the revocations.
    pub fn is_fresh(&self, stamp: Stamp, ids: impl IntoIterator<Item = Revocable>) -> bool {
        self.are_in_sync() && self.is_good(stamp, ids)
    }

    /// Whether none of `ids` was revoked here since `stamp`.
    pub fn is_good(&self, stamp: Stamp, ids: impl IntoIterator<Item = Revocable>) -> bool {
        let good = |revoked: &N| revoked.get() <= stamp.0;
        good(&self.0.everything) && ids.into_iter().all(|id| good(self.slot(id)))
    }

    /// Whether the revocations of other processes were applied, up to [`MAX_STALENESS`] ago.
    fn are_in_sync(&self) -> bool {
        let until = self.0.in_sync_until.get();
        self.0.start.elapsed() < Duration::from_micros(until)
    }

    /// Called once the change is committed, and before its response is sent.
    pub fn revoke(&self, ids: impl IntoIterator<Item = Revocable, IntoIter: Clone>) {
        let (stamp, ids) = (self.next(), ids.into_iter());
        for id in ids.clone() {
            self.slot(id).raise(stamp);
        }
        // What a listener then reads must not come from the cache any more.
        self.0.listeners.notify(ids);
    }

    /// Listens for revocations of `ids` from now on: what is read after this call is as it was at the
    /// last one, or newer.
    pub fn listen(&self, ids: [Revocable; 2]) -> Listener {
        self.0.listeners.listen(ids)
    }

    /// Changes, from now on, whenever everything is revoked.
    pub fn listen_to_everything(&self) -> watch::Receiver<()> {
        self.0.listeners.listen_to_everything()
    }

    fn next(&self) -> u64 {
        self.0.last.increment()
    }

    /// Ids are random in their last bits.
    fn slot(&self, id: Revocable) -> &N {
        #[allow(clippy::cast_possible_truncation)]
        let number = id.0 as usize % SLOTS;
        &self.0.slots[number]
    }
}

/// For the watchers of what other processes change.
impl<N: Number, const SLOTS: usize> Revocations<N, SLOTS> {
    /// Invalidates every cached row.
    pub(crate) fn revoke_all(&self) {
        let stamp = self.next();
        self.0.everything.raise(stamp);
        self.0.listeners.notify_of_everything();
    }

    /// Notes that everything other processes had committed by `moment` is revoked here.
    pub(crate) fn synced_at(&self, moment: Instant) {
        self.note_sync(moment);
        let until = (moment + MAX_STALENESS).saturating_duration_since(self.0.start);
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.0.in_sync_until.set(until);
    }

    /// Notes that somebody begins to read what other processes change.
    pub(crate) fn begin_to_watch(&self) {
        if self.0.synced_until.load(Ordering::Relaxed) == 0 {
            self.note_sync(Instant::now());
        }
    }

    fn note_sync(&self, moment: Instant) {
        let until = moment.saturating_duration_since(self.0.start).as_micros();
        let until = u64::try_from(until).unwrap_or(u64::MAX).max(1);
        self.0.synced_until.store(until, Ordering::Relaxed);
    }

    /// How long ago the changes of other processes were last in sync; zero while nobody watches.
    pub(crate) fn lag(&self) -> Duration {
        match self.0.synced_until.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            until => {
                let until = Duration::from_micros(until);
                self.0.start.elapsed().saturating_sub(until)
            }
        }
    }

    /// Notes that changes by other processes are out of sync until the next reading.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn lose_sync(&self) {
        self.0.in_sync_until.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_revocation_counts_no_more() {
        let revocations = <Revocations>::default();
        let [ann, ben] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let is_good = |stamp, id: Uuid| revocations.is_good(stamp, [id.into()]);
        let before = revocations.stamp();
        assert!(is_good(before, ann));
        revocations.revoke([ann.into()]);
        assert!(!is_good(before, ann));
        assert!(is_good(before, ben));
        assert!(is_good(revocations.stamp(), ann), "read again since");
        revocations.revoke_all();
        assert!(!is_good(before, ben));
        assert!(is_good(revocations.stamp(), ben));
    }

    #[test]
    fn the_cache_is_used_while_it_is_in_sync() {
        let revocations = <Revocations>::default();
        assert!(!revocations.are_in_sync(), "nobody has listened yet");
        revocations.synced_at(Instant::now());
        assert!(revocations.are_in_sync());
        revocations.synced_at(Instant::now() - Duration::from_secs(1));
        assert!(!revocations.are_in_sync(), "nothing was read for a second");
        revocations.synced_at(Instant::now());
        revocations.lose_sync();
        assert!(!revocations.are_in_sync());
    }

    #[test]
    fn the_lag_is_that_of_the_last_reading_also_once_out_of_sync() {
        let revocations = <Revocations>::default();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(revocations.lag(), Duration::ZERO, "nobody watches");
        revocations.begin_to_watch();
        std::thread::sleep(Duration::from_millis(2));
        let waiting = revocations.lag();
        assert!(waiting >= Duration::from_millis(2), "never read yet");
        revocations.synced_at(Instant::now());
        assert!(revocations.lag() < waiting);
        revocations.lose_sync();
        std::thread::sleep(waiting);
        let lag = revocations.lag();
        assert!(lag >= waiting);
        revocations.begin_to_watch();
        assert!(revocations.lag() >= lag, "another beginning is no reading");
    }
}
