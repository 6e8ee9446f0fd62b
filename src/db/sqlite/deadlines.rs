//! Deadlines of a batch of writes: what was reported as failed must not be committed later.

use tokio::time::Instant;

use crate::db::write::job::{Job, Times};

/// When a batch must reach its commit, so that a slow write does not make the others miss their
/// deadline. A second run has a little longer than the first.
pub(super) fn end_of(batch: &[Box<dyn Job>], is_second_run: bool) -> Instant {
    let end = |times: Times| match is_second_run {
        false => times.commit,
        true => times.commit + (times.end - times.commit) / 2,
    };
    let ends = batch.iter().map(|job| end(job.times()));
    ends.min().unwrap_or_else(Instant::now)
}

/// Whether a caller has stopped waiting, and was told that its write failed.
pub(super) fn is_late(batch: &[Box<dyn Job>]) -> bool {
    let now = Instant::now();
    batch.iter().any(|job| job.times().end <= now)
}

/// Fails the writes whose deadline has passed.
pub(super) fn fail_late(batch: &mut Vec<Box<dyn Job>>, end: impl Fn(Times) -> Instant) {
    let now = Instant::now();
    fail(batch.extract_if(.., |job| end(job.times()) <= now));
}

pub(super) fn fail(late: impl IntoIterator<Item = Box<dyn Job>>) {
    for job in late {
        job.finish(Some(sqlx::Error::PoolTimedOut));
    }
}
