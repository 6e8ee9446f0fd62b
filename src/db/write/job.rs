//! A queued write: a closure, and the caller that waits for its result.

use std::{error::Error as StdError, io, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tracing::{Instrument, Span};

use crate::db::{Revocable, Tx, error::is_conflict, transaction::Effects};

/// How a run of a closure ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) enum Outcome {
    /// To be committed.
    Done,
    /// To be rolled back.
    Undone,
    /// To be rolled back and run again, after a deadlock or a serialization failure.
    Conflict,
    /// It panicked or took longer than a run may, perhaps while a statement was running.
    Cut,
    /// The transaction was to end before it was done, perhaps while a statement was running.
    Unfinished,
}

/// How long a caller waits for the result longer than a transaction may take to come to its
/// commit: what is reported as failed should not be committed.
const LAST_WAIT: Duration = Duration::from_millis(150);

/// When what must be done. A run has a limit of its own, so that a write which others have
/// delayed is not cut for it.
#[derive(Clone, Copy, Debug)]
pub(in crate::db) struct Times {
    /// By when the write must have begun.
    pub begin: Instant,
    /// By when its transaction must come to the commit.
    pub commit: Instant,
    /// When its caller stops waiting. What is committed from then on is reported as failed.
    pub end: Instant,
    /// How long a run may take.
    pub run: Duration,
}

impl Times {
    /// Those of a write that is asked for now, by a caller with this much patience.
    pub fn within(patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            begin: now + patience * 3 / 4,
            commit: now + patience * 7 / 8,
            end: now + patience + LAST_WAIT,
            run: patience * 5 / 8,
        }
    }
}

/// A queued write.
pub(in crate::db) trait Job: Send {
    fn times(&self) -> Times;

    /// Runs the closure in `tx`, whose effects it takes along, and whose end is to come at `end`.
    fn run<'t>(&'t mut self, tx: &'t mut Tx, end: Instant) -> BoxFuture<'t, Outcome>;

    /// The ids that the last run has revoked.
    fn take_revoked(&mut self) -> Vec<Revocable>;

    /// Sends the result to the caller after the transaction has ended: what the closure returned,
    /// or the error of its transaction.
    fn finish(self: Box<Self>, failed: Option<sqlx::Error>);
}

struct Write<S, F, T, E> {
    state: S,
    work: F,
    times: Times,
    returned: Option<Result<T, E>>,
    effects: Effects,
    result: oneshot::Sender<Result<T, E>>,
    span: Span,
}

/// A job and the receiver of its result.
pub(super) fn new<S, F, T, E>(
    times: Times,
    state: S,
    work: F,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    S: Send + Sync + 'static,
    F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync + 'static,
    T: Send + 'static,
    E: StdError + From<sqlx::Error> + Send + 'static,
{
    let (result, receiver) = oneshot::channel();
    let job = Write {
        state,
        work,
        times,
        returned: None,
        effects: Effects::default(),
        result,
        span: Span::current(),
    };
    (Box::new(job), receiver)
}

impl<S, F, T, E> Job for Write<S, F, T, E>
where
    S: Send + Sync,
    F: for<'t> Fn(&'t S, &'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + Sync,
    T: Send,
    E: StdError + From<sqlx::Error> + Send + 'static,
{
    fn times(&self) -> Times {
        self.times
    }

    fn run<'t>(&'t mut self, tx: &'t mut Tx, end: Instant) -> BoxFuture<'t, Outcome> {
        Box::pin(async move {
            let limit = Instant::now() + self.times.run;
            let (state, work) = (&self.state, &self.work);
            // In a block, as the closure itself may panic before its future does.
            let running = AssertUnwindSafe(async { work(state, tx).await }).catch_unwind();
            let running = running.instrument(self.span.clone());
            let ran = timeout_at(limit.min(end), running).await;
            let (returned, outcome) = match ran {
                Ok(Ok(Ok(value))) if tx.is_abandoned() => (Ok(value), Outcome::Undone),
                Ok(Ok(Ok(value))) => (Ok(value), Outcome::Done),
                Ok(Ok(Err(error))) if has_conflict(&error) => (Err(error), Outcome::Conflict),
                Ok(Ok(Err(error))) => (Err(error), Outcome::Undone),
                Ok(Err(_panic)) => {
                    tracing::error!(parent: &self.span, "a write panicked");
                    (Err(sqlx::Error::WorkerCrashed.into()), Outcome::Cut)
                }
                Err(_elapsed) if end < limit => (Err(timed_out().into()), Outcome::Unfinished),
                Err(_elapsed) => (Err(timed_out().into()), Outcome::Cut),
            };
            self.effects = tx.take_effects();
            if outcome != Outcome::Done {
                self.effects.after_commit.clear();
            }
            if returned.is_err() {
                self.effects.revoked.clear();
            }
            self.returned = Some(returned);
            outcome
        })
    }

    fn take_revoked(&mut self) -> Vec<Revocable> {
        std::mem::take(&mut self.effects.revoked)
    }

    fn finish(self: Box<Self>, failed: Option<sqlx::Error>) {
        let result = match (failed, self.returned) {
            (Some(error), _) => Err(error.into()),
            (None, Some(returned)) => returned,
            (None, None) => Err(sqlx::Error::WorkerCrashed.into()),
        };
        if result.is_ok() {
            let after_commit = self.effects.after_commit;
            self.span
                .in_scope(|| after_commit.into_iter().for_each(|effect| effect()));
        }
        // The caller may be gone.
        let _ = self.result.send(result);
    }
}

fn timed_out() -> sqlx::Error {
    let what = "a write took longer than it may";
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, what))
}

/// Whether the error is, or comes from, one that a second try may not meet.
fn has_conflict(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(is_conflict) {
            return true;
        }
        cause = error.source();
    }
    false
}
