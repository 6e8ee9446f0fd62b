//! Writes that wait are committed together: one wait for the disk for all of them.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::{Executor, Sqlite, TransactionManager, pool::PoolConnection};
use tokio::time::Instant;

use super::{
    SqlitePools,
    deadlines::{end_of, fail, fail_late, is_late},
};
use crate::db::{
    Connection, Revocable, Tx,
    invalidation::Revocations,
    transaction::Inner,
    write::job::{Job, Outcome},
};

type Transactions = <Sqlite as sqlx::Database>::TransactionManager;

/// The most writes in one commit.
const BATCH: usize = 64;
/// The length of the queue; further writes fail.
const MAX_WAITING: usize = 16 * 1024;

/// The writes that wait. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct WriteQueue(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    /// Whether a worker is running.
    is_served: bool,
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteQueue").finish_non_exhaustive()
    }
}

impl WriteQueue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch. Writes that have waited too long fail. None when the queue is empty: the
    /// worker stops then, and the next write starts another.
    fn next_batch(&self) -> Option<Vec<Box<dyn Job>>> {
        loop {
            let mut waiting = self.lock();
            if waiting.jobs.is_empty() {
                waiting.is_served = false;
                return None;
            }
            let count = waiting.jobs.len().min(BATCH);
            let mut batch: Vec<_> = waiting.jobs.drain(..count).collect();
            drop(waiting);
            fail_late(&mut batch, |times| times.begin);
            if !batch.is_empty() {
                return Some(batch);
            }
        }
    }

    /// Puts writes back that their batch did not come to.
    fn put_back(&self, jobs: Vec<Box<dyn Job>>) {
        let mut waiting = self.lock();
        for job in jobs.into_iter().rev() {
            waiting.jobs.push_front(job);
        }
    }
}

/// Held by the worker of the queue. If the runtime shuts down while the worker runs, the queued
/// writes fail, and the next write starts another worker.
struct Serving {
    queue: WriteQueue,
    is_done: bool,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.is_done {
            let mut waiting = self.queue.lock();
            waiting.is_served = false;
            let jobs = mem::take(&mut waiting.jobs);
            drop(waiting);
            drop(jobs);
        }
    }
}

/// Whether each write of a batch has a savepoint, to which it alone can be rolled back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoints {
    Without,
    With,
}

/// How a batch has run, yet to be committed or rolled back.
enum Ran {
    /// To its end; whether there is anything to commit, and how many of its writes were run.
    Through {
        is_changed: bool,
        count: usize,
    },
    Stopped(Stopped),
}

/// Why a batch is rolled back to be run again.
#[derive(Clone, Copy)]
enum Stopped {
    /// This write, the first one that did not succeed.
    By(usize, Outcome),
    /// Nobody waits for one of its writes any more.
    Late,
}

/// Why nothing of a batch is committed.
struct Failed {
    error: sqlx::Error,
    /// The write that it came from, which has an error of its own.
    by: Option<usize>,
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self { error, by: None }
    }
}

impl SqlitePools {
    /// Queues a write, and starts a worker if none is running. A lone write is not delayed.
    pub(in crate::db) fn queue_write(&self, job: Box<dyn Job>, revocations: &Revocations) {
        let mut waiting = self.queue.lock();
        if waiting.jobs.len() >= MAX_WAITING {
            drop(waiting);
            return job.finish(Some(sqlx::Error::PoolTimedOut));
        }
        waiting.jobs.push_back(job);
        if !mem::replace(&mut waiting.is_served, true) {
            drop(waiting);
            tokio::spawn(serve(self.clone(), revocations.clone()));
        }
    }

    /// Runs the writes of a batch in one transaction. If one of them fails, all are rolled back
    /// and run again, each with a savepoint: few fail, and savepoints cost more than that.
    async fn write_batch(&self, mut batch: Vec<Box<dyn Job>>, revocations: &Revocations) {
        let mut savepoints = Savepoints::Without;
        let done = loop {
            match self.commit_batch(&mut batch, savepoints).await {
                Ok(None) => break Ok(()),
                Err(failed) => break Err(failed),
                // Not again: it takes as long as a write may.
                Ok(Some(Stopped::By(by, Outcome::Cut))) => batch.remove(by).finish(None),
                // Another batch may have the time that it needs.
                Ok(Some(Stopped::By(by, Outcome::Unfinished))) => {
                    self.queue.put_back(vec![batch.remove(by)]);
                }
                Ok(Some(Stopped::By(..) | Stopped::Late)) => {}
            }
            savepoints = Savepoints::With;
            fail_late(&mut batch, |times| times.end);
            if batch.is_empty() {
                return;
            }
        };
        if let Err(Failed { error, by: None }) = &done
            && batch.len() > 1
            && is_constraint(error)
        {
            // A constraint that is checked at the commit, and of one write; it is not said which.
            for job in batch {
                let mut alone = vec![job];
                let done = self.commit_batch(&mut alone, Savepoints::With).await;
                match done {
                    Ok(Some(_)) => fail(alone),
                    done => finish(alone, done.map(drop), revocations),
                }
            }
            return;
        }
        finish(batch, done, revocations);
    }

    /// Returns what stopped the batch, if that is to be run again. It ends early enough for the
    /// caller with the least time left; writes that it has not come to by then wait for another.
    async fn commit_batch(
        &self,
        batch: &mut Vec<Box<dyn Job>>,
        savepoints: Savepoints,
    ) -> Result<Option<Stopped>, Failed> {
        let mut connection = self.write.acquire().await?;
        Transactions::begin(&mut connection, Some("begin immediate".into())).await?;
        if let Err(error) = self.file.check() {
            self.end(connection, false).await?;
            return Err(error.into());
        }
        // Another process may have had the lock for long.
        if is_late(batch) {
            self.end(connection, false).await?;
            return Ok(Some(Stopped::Late));
        }
        let mut tx = Tx::new(Inner::SqliteWrite(connection));
        let end = end_of(batch, savepoints == Savepoints::With);
        let ran = match savepoints {
            Savepoints::Without if batch.len() > 1 => {
                Ok(run_until_one_fails(&mut tx, batch, end).await)
            }
            _ => run_each(&mut tx, batch, end).await,
        };
        let Inner::SqliteWrite(connection) = tx.into_inner() else {
            return Err(sqlx::Error::BeginFailed.into());
        };
        match ran {
            Ok(Ran::Stopped(stopped)) => {
                self.end(connection, false).await?;
                Ok(Some(stopped))
            }
            Ok(Ran::Through { count, .. }) if is_late(&batch[..count]) => {
                self.end(connection, false).await?;
                Ok(Some(Stopped::Late))
            }
            Ok(Ran::Through { is_changed, count }) => {
                if count < batch.len() {
                    self.queue.put_back(batch.split_off(count));
                }
                self.end(connection, is_changed).await?;
                Ok(None)
            }
            Err(failed) => {
                discard(connection).await;
                Err(failed)
            }
        }
    }

    /// Commits, or rolls back if no write succeeded. If that fails, or the transaction is still
    /// open, the connection is closed: sqlx 0.8 would count the transaction as open for ever.
    async fn end(
        &self,
        mut connection: PoolConnection<Sqlite>,
        is_changed: bool,
    ) -> Result<(), Failed> {
        let ended = if is_changed {
            Transactions::commit(&mut connection).await
        } else {
            Transactions::rollback(&mut connection).await
        };
        let is_open = Transactions::get_transaction_depth(&connection) > 0;
        if ended.is_err() || is_open {
            discard(connection).await;
        }
        match ended {
            // What was to be rolled back is gone with the connection.
            _ if !is_changed => Ok(()),
            // A transaction inside it was left open.
            Ok(()) if is_open => Err(sqlx::Error::BeginFailed.into()),
            ended => Ok(self.file.checked(ended)?),
        }
    }
}

/// Runs the writes without savepoints, up to the first that does not succeed.
async fn run_until_one_fails(tx: &mut Tx, batch: &mut [Box<dyn Job>], end: Instant) -> Ran {
    let mut count = 0;
    for job in batch {
        if count > 0 && Instant::now() >= end {
            break;
        }
        let outcome = job.run(tx, end).await;
        if outcome != Outcome::Done {
            return Ran::Stopped(Stopped::By(count, outcome));
        }
        count += 1;
    }
    Ran::Through {
        is_changed: true,
        count,
    }
}

/// Runs every write. One that shares the transaction has a savepoint, to which it alone is rolled
/// back.
async fn run_each(tx: &mut Tx, batch: &mut [Box<dyn Job>], end: Instant) -> Result<Ran, Failed> {
    let is_shared = batch.len() > 1;
    let mut is_changed = false;
    let mut count = 0;
    for job in batch {
        if count > 0 && Instant::now() >= end {
            break;
        }
        if is_shared {
            execute(tx, "savepoint write").await?;
        }
        let outcome = job.run(tx, end).await;
        is_changed |= outcome == Outcome::Done;
        if is_shared {
            let ending = match outcome {
                Outcome::Done => "release write",
                // It fails where SQLite has rolled back the whole transaction, as it does when
                // the disk is full.
                _ => "rollback to write; release write",
            };
            execute(tx, ending).await.map_err(|error| Failed {
                error,
                by: Some(count),
            })?;
        }
        count += 1;
    }
    Ok(Ran::Through { is_changed, count })
}

/// Runs batches until the queue is empty.
async fn serve(pools: SqlitePools, revocations: Revocations) {
    let mut serving = Serving {
        queue: pools.queue.clone(),
        is_done: false,
    };
    while let Some(batch) = pools.queue.next_batch() {
        pools.write_batch(batch, &revocations).await;
    }
    serving.is_done = true;
}

/// Revokes, then returns the results. If the batch failed, each write returns the error.
fn finish(mut batch: Vec<Box<dyn Job>>, done: Result<(), Failed>, revocations: &Revocations) {
    let revoked: Vec<Revocable> = batch
        .iter_mut()
        .flat_map(|job| job.take_revoked())
        .collect();
    if !revoked.is_empty() {
        revocations.revoke(revoked);
    }
    let Err(Failed { error, by }) = done else {
        return batch.into_iter().for_each(|job| job.finish(None));
    };
    if batch.len() == 1
        && let Some(job) = batch.pop()
    {
        return job.finish(Some(error));
    }
    let error = Arc::new(error);
    for (number, job) in batch.into_iter().enumerate() {
        let shared = || sqlx::Error::Io(io::Error::other(error.clone()));
        job.finish((by != Some(number)).then(shared));
    }
}

async fn execute(tx: &mut Tx, sql: &'static str) -> sqlx::Result<()> {
    match tx.connection() {
        Connection::Sqlite(connection) => connection.execute(sql).await.map(drop),
        #[cfg(feature = "postgres")]
        Connection::Postgres(_) => Ok(()),
    }
}

/// Closes a connection, which rolls back its transaction; the pool opens another.
async fn discard(connection: PoolConnection<Sqlite>) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "a connection that failed could not be closed");
    }
}

fn is_constraint(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| {
        error.is_foreign_key_violation()
            || error.is_unique_violation()
            || error.is_check_violation()
    })
}
