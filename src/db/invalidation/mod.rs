//! What is no longer to be believed of what is kept in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tower_sessions::session::Id;
use uuid::Uuid;

/// Two ids that share a slot are revoked together, which costs the other one a query.
const SLOTS: usize = 1 << 14;
/// Memory is believed for so long after the last time that everything others changed was
/// known: well within the second in which their changes are to be heeded.
const BELIEVED: Duration = Duration::from_millis(800);

/// When each session and user was last revoked, in an order that all threads agree on. What
/// was read from the database counts until something that concerns it is revoked *after the
/// moment before it was read*; so a reader that is slower than a revocation does no harm.
/// All who keep rows of one [`Db`](super::Db) share it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Revocations(Arc<State>);

#[derive(Debug)]
struct State {
    last: AtomicU64,
    everything: AtomicU64,
    slots: Box<[AtomicU64]>,
    start: Instant,
    /// In microseconds since `start`.
    believed_until: AtomicU64,
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

impl Default for Revocations {
    fn default() -> Self {
        Self(Arc::new(State {
            last: AtomicU64::new(0),
            everything: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            start: Instant::now(),
            believed_until: AtomicU64::new(0),
        }))
    }
}

impl Revocations {
    /// To be taken before a row is read.
    pub fn stamp(&self) -> Stamp {
        Stamp(self.0.last.load(Ordering::SeqCst))
    }

    /// Whether what was read since `stamp` still counts, none of `ids` having been revoked.
    pub fn is_good(&self, stamp: Stamp, ids: impl IntoIterator<Item = Revocable>) -> bool {
        let good = |revoked: &AtomicU64| revoked.load(Ordering::SeqCst) <= stamp.0;
        good(&self.0.everything) && ids.into_iter().all(|id| good(self.slot(id)))
    }

    /// Whether what other processes revoke is known up to just now.
    pub fn are_known(&self) -> bool {
        let until = self.0.believed_until.load(Ordering::SeqCst);
        self.0.start.elapsed() < Duration::from_micros(until)
    }

    /// To be called once the database holds the change, and before anybody is told so.
    pub fn revoke(&self, ids: impl IntoIterator<Item = Revocable>) {
        let stamp = self.next();
        for id in ids {
            self.slot(id).fetch_max(stamp, Ordering::SeqCst);
        }
    }

    fn next(&self) -> u64 {
        self.0.last.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Ids are random in their last bits.
    fn slot(&self, id: Revocable) -> &AtomicU64 {
        #[allow(clippy::cast_possible_truncation)]
        let number = id.0 as usize % SLOTS;
        &self.0.slots[number]
    }
}

/// For who listens to what other processes change.
impl Revocations {
    /// Nothing may be what it was.
    pub(crate) fn revoke_all(&self) {
        let stamp = self.next();
        self.0.everything.fetch_max(stamp, Ordering::SeqCst);
    }

    /// Whatever others had committed by `moment` has been revoked.
    pub(crate) fn told_until(&self, moment: Instant) {
        let until = (moment + BELIEVED).saturating_duration_since(self.0.start);
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX);
        self.0.believed_until.store(until, Ordering::SeqCst);
    }

    /// For now nothing will be told.
    #[cfg(any(test, feature = "postgres"))]
    pub(crate) fn deaf(&self) {
        self.0.believed_until.store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_revocation_counts_no_more() {
        let revocations = Revocations::default();
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
    fn memory_is_believed_while_others_are_heard() {
        let revocations = Revocations::default();
        assert!(!revocations.are_known(), "nobody has listened yet");
        revocations.told_until(Instant::now());
        assert!(revocations.are_known());
        revocations.told_until(Instant::now() - Duration::from_secs(1));
        assert!(!revocations.are_known(), "nothing was heard for a second");
        revocations.told_until(Instant::now());
        revocations.deaf();
        assert!(!revocations.are_known());
    }
}
