//! Tests the protocol in one process under every interleaving of changes, reads and requests that
//! can make a difference. loom treats sequentially consistent operations as acquire and release, so
//! it also tries some that cannot happen.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use loom::{
    model::Builder,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
};

use self::Broken::{EarlyResponse, EarlySync, LateCommit, LateStamp, LateSync, Nothing};
use super::{
    Revocable, Stamp,
    number::{Number, impl_number},
};

type Revocations = super::Revocations<AtomicU64, 2>;

impl_number!(AtomicU64, SeqCst);

/// Which rule of the protocol is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The stamp is taken after the row is read.
    LateStamp,
    /// The change is committed after the cache is invalidated.
    LateCommit,
    /// The response is sent before the cache is invalidated.
    EarlyResponse,
    /// The watcher announces that it is in sync before it has revoked.
    EarlySync,
    /// A request asks whether the cache is in sync last.
    LateSync,
}

/// A session's row and its cached copy.
struct Process {
    broken: Broken,
    revocations: Revocations,
    /// The version of the row; each change increments it.
    row: AtomicU64,
    /// The newest version whose change was acknowledged.
    acknowledged: AtomicU64,
    /// The cached version and its stamp, in one number.
    cached: AtomicU64,
}

const ID: Revocable = Revocable(1);
const NOT_CACHED: u64 = u64::MAX;

impl Process {
    fn start(broken: Broken, is_in_sync: bool) -> Arc<Self> {
        let revocations = Revocations::default();
        if is_in_sync {
            revocations.synced_at(far_ahead());
        }
        Arc::new(Self {
            broken,
            revocations,
            row: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            cached: AtomicU64::new(NOT_CACHED),
        })
    }

    /// A request that changes the row.
    fn change(&self) {
        if self.broken == LateCommit {
            self.revocations.revoke([ID]);
        }
        let version = self.row.increment();
        if self.broken == EarlyResponse {
            self.acknowledged.raise(version);
        }
        if self.broken != LateCommit {
            self.revocations.revoke([ID]);
        }
        self.acknowledged.raise(version);
    }

    /// A request that misses the cache.
    fn read(&self) {
        let early = self.revocations.stamp();
        let version = self.row.get();
        let stamp = if self.broken == LateStamp {
            self.revocations.stamp()
        } else {
            early
        };
        self.cached.set(version << 32 | stamp.0);
    }

    /// The cached version, when a request would use it.
    fn hit(&self) -> Option<u64> {
        let cached = self.cached.get();
        let stamp = Stamp(cached & u64::from(u32::MAX));
        let is_fresh = if self.broken == LateSync {
            self.revocations.is_good(stamp, [ID]) && self.revocations.are_in_sync()
        } else {
            self.revocations.is_fresh(stamp, [ID])
        };
        (cached != NOT_CACHED && is_fresh).then_some(cached >> 32)
    }

    /// A request that starts now sees what was acknowledged by now.
    fn check(&self) {
        let acknowledged = self.acknowledged.get();
        if let Some(version) = self.hit() {
            assert!(version >= acknowledged, "an ended session was used");
        }
    }

    /// The watcher reads the log for the first time since another process has changed the row.
    fn read_log(&self) {
        if self.broken == EarlySync {
            self.revocations.synced_at(far_ahead());
        }
        self.revocations.revoke([ID]);
        self.revocations.synced_at(far_ahead());
    }
}

/// In sync for the whole of a test.
fn far_ahead() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

fn spawn(process: &Arc<Process>, act: fn(&Process)) {
    let process = process.clone();
    thread::spawn(move || act(&process));
}

/// A change, a read that caches the row, and a request.
fn try_change(broken: Broken) {
    loom::model(move || {
        let process = Process::start(broken, true);
        spawn(&process, Process::change);
        spawn(&process, Process::read);
        process.check();
    });
}

/// A reading of the log and a request: the old row, cached before the node lost sync, is not used.
fn try_sync(broken: Broken) {
    loom::model(move || {
        let process = Process::start(broken, false);
        process.read();
        process.row.increment();
        spawn(&process, Process::read_log);
        assert!(process.hit().is_none(), "an ended session was used");
    });
}

#[test]
fn an_ended_session_is_not_used_whatever_the_interleaving() {
    try_change(Nothing);
    try_sync(Nothing);
}

/// Not every interleaving, as there are too many, but those with up to two preemptions.
#[test]
fn nor_with_two_changes_at_once() {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let process = Process::start(Nothing, true);
        spawn(&process, Process::change);
        spawn(&process, Process::change);
        spawn(&process, Process::read);
        process.check();
    });
}

#[test]
#[should_panic(expected = "an ended session was used")]
fn a_stamp_taken_after_the_read_is_found() {
    try_change(LateStamp);
}

#[test]
#[should_panic(expected = "an ended session was used")]
fn a_revocation_before_the_commit_is_found() {
    try_change(LateCommit);
}

#[test]
#[should_panic(expected = "an ended session was used")]
fn a_response_before_the_revocation_is_found() {
    try_change(EarlyResponse);
}

#[test]
#[should_panic(expected = "an ended session was used")]
fn sync_announced_before_the_revocations_is_found() {
    try_sync(EarlySync);
}

#[test]
#[should_panic(expected = "an ended session was used")]
fn a_request_that_asks_for_sync_last_is_found() {
    try_sync(LateSync);
}
