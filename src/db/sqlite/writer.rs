//! Writes that wait are committed together: one wait for the disk for all of them.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::{Executor, Sqlite, TransactionManager, pool::PoolConnection};
use tokio::time::Instant;

use super::SqlitePools;
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
    /// Each with the deadline by which it must have begun.
    jobs: VecDeque<(Instant, Box<dyn Job>)>,
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
            let batch: Vec<_> = waiting.jobs.drain(..count).collect();
            drop(waiting);
            let (fresh, late): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .partition(|(deadline, _)| Instant::now() < *deadline);
            for (_, job) in late {
                job.finish(Some(sqlx::Error::PoolTimedOut));
            }
            if !fresh.is_empty() {
                return Some(fresh.into_iter().map(|(_, job)| job).collect());
            }
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
#[derive(Clone, Copy)]
enum Savepoints {
    Without,
    With,
}

/// How a batch has run, yet to be committed or rolled back.
enum Ran {
    /// To its end; whether there is anything to commit.
    Through {
        is_changed: bool,
    },
    Stopped(Stopped),
}

/// The first write of a batch that did not succeed.
struct Stopped {
    by: usize,
    outcome: Outcome,
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
    pub(in crate::db) fn queue_write(
        &self,
        job: Box<dyn Job>,
        deadline: Instant,
        revocations: &Revocations,
    ) {
        let mut waiting = self.queue.lock();
        if waiting.jobs.len() >= MAX_WAITING {
            drop(waiting);
            return job.finish(Some(sqlx::Error::PoolTimedOut));
        }
        waiting.jobs.push_back((deadline, job));
        if !mem::replace(&mut waiting.is_served, true) {
            drop(waiting);
            tokio::spawn(serve(self.clone(), revocations.clone()));
        }
    }

    /// Runs the writes of a batch in one transaction. If one of them fails, all are rolled back
    /// and run again, each with a savepoint: few fail, and savepoints cost more than that.
    async fn write_batch(&self, mut batch: Vec<Box<dyn Job>>, revocations: &Revocations) {
        let mut done = self.commit_batch(&mut batch, Savepoints::Without).await;
        if let Ok(Some(stopped)) = &done {
            if stopped.outcome == Outcome::Cut {
                // Not again: it takes as long as a write may.
                batch.remove(stopped.by).finish(None);
            }
            done = self.commit_batch(&mut batch, Savepoints::With).await;
        }
        if let Err(Failed { error, by: None }) = &done
            && batch.len() > 1
            && is_constraint(error)
        {
            // A constraint that is checked at the commit, and of one write; it is not said which.
            for job in batch {
                let mut alone = vec![job];
                let done = self.commit_batch(&mut alone, Savepoints::With).await;
                finish(alone, done.map(drop), revocations);
            }
            return;
        }
        finish(batch, done.map(drop), revocations);
    }

    /// Returns the write that stopped the batch, if that is to be run again.
    async fn commit_batch(
        &self,
        batch: &mut [Box<dyn Job>],
        savepoints: Savepoints,
    ) -> Result<Option<Stopped>, Failed> {
        let mut connection = self.write.acquire().await?;
        Transactions::begin(&mut connection, Some("begin immediate".into())).await?;
        if let Err(error) = self.file.check() {
            self.end(connection, false).await?;
            return Err(error.into());
        }
        let mut tx = Tx::new(Inner::SqliteWrite(connection));
        let ran = match savepoints {
            Savepoints::Without if batch.len() > 1 => Ok(run_until_one_fails(&mut tx, batch).await),
            _ => run_each(&mut tx, batch).await,
        };
        let Inner::SqliteWrite(connection) = tx.into_inner() else {
            return Err(sqlx::Error::BeginFailed.into());
        };
        match ran {
            Ok(Ran::Stopped(stopped)) => {
                self.end(connection, false).await?;
                Ok(Some(stopped))
            }
            Ok(Ran::Through { is_changed }) => {
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
async fn run_until_one_fails(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Ran {
    for (by, job) in batch.iter_mut().enumerate() {
        let outcome = job.run(tx).await;
        if outcome != Outcome::Done {
            return Ran::Stopped(Stopped { by, outcome });
        }
    }
    Ran::Through { is_changed: true }
}

/// Runs every write. One that shares the transaction has a savepoint, to which it alone is rolled
/// back.
async fn run_each(tx: &mut Tx, batch: &mut [Box<dyn Job>]) -> Result<Ran, Failed> {
    let is_shared = batch.len() > 1;
    let mut is_changed = false;
    for (number, job) in batch.iter_mut().enumerate() {
        if is_shared {
            execute(tx, "savepoint write").await?;
        }
        let outcome = job.run(tx).await;
        is_changed |= outcome == Outcome::Done;
        if is_shared {
            let end = match outcome {
                Outcome::Done => "release write",
                // It fails where SQLite has rolled back the whole transaction, as it does when
                // the disk is full.
                _ => "rollback to write; release write",
            };
            execute(tx, end).await.map_err(|error| Failed {
                error,
                by: Some(number),
            })?;
        }
    }
    Ok(Ran::Through { is_changed })
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
