//! Each write has a transaction of its own.

use std::time::Duration;

use sqlx::{Postgres, TransactionManager};
use tokio::time::{Instant, timeout, timeout_at};

use super::{PostgresPool, lent::Lent};
use crate::db::{
    Tx,
    error::is_conflict,
    invalidation::Revocations,
    transaction::Inner,
    write::job::{Job, Outcome, Times},
};

type Transactions = <Postgres as sqlx::Database>::TransactionManager;

/// How often a write is tried that ends in a deadlock or a serialization failure.
const TRIES: u32 = 4;
/// How long a commit or rollback may take; a commit may wait for synchronous replicas.
const END_TIMEOUT: Duration = Duration::from_secs(10);

impl PostgresPool {
    /// Runs a write on a task of its own.
    pub(in crate::db) fn spawn_write(&self, mut job: Box<dyn Job>, revocations: &Revocations) {
        let (pool, revocations) = (self.clone(), revocations.clone());
        tokio::spawn(async move {
            let Times { begin, commit, .. } = job.times();
            let mut done = pool.write(&mut *job, begin).await;
            for _ in 1..TRIES {
                match &done {
                    Ok(Outcome::Conflict) => {}
                    Err(error) if is_conflict(error) => {}
                    _ => break,
                }
                // It has waited already: what is left is for it alone.
                done = pool.write(&mut *job, commit).await;
            }
            let revoked = job.take_revoked();
            if !revoked.is_empty() {
                revocations.revoke(revoked);
            }
            job.finish(done.err());
        });
    }

    /// Runs the write once, which must have begun by `latest`. A connection that may still be busy with a statement, or inside a
    /// transaction, is closed instead of going back to the pool.
    async fn write(&self, job: &mut dyn Job, latest: Instant) -> sqlx::Result<Outcome> {
        let Times { commit, run, .. } = job.times();
        let mut connection = by(latest, self.pool.acquire()).await?;
        let sql = self.pool.begin_limited_sql(run);
        let begin = Transactions::begin(&mut connection, sql);
        if let Err(error) = by(latest, begin).await {
            drop(connection.detach());
            return Err(error);
        }
        let mut tx = Tx::new(Inner::PostgresWrite(connection));
        let outcome = job.run(&mut tx, commit).await;
        let Inner::PostgresWrite(mut connection) = tx.into_inner() else {
            return Err(sqlx::Error::BeginFailed);
        };
        let end = match outcome {
            Outcome::Done => Transactions::commit(&mut connection),
            Outcome::Undone | Outcome::Conflict => Transactions::rollback(&mut connection),
            Outcome::Cut | Outcome::Unfinished => {
                drop(connection.detach());
                return Ok(outcome);
            }
        };
        let ended = timeout(END_TIMEOUT, end).await;
        let ended = ended.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        // A transaction inside it may have been left open.
        let is_open = Transactions::get_transaction_depth(&connection) > 0;
        let mut lent = Lent::new(connection);
        if ended.is_err() || is_open {
            lent.close_when_dropped();
        }
        drop(lent);
        match ended {
            _ if outcome != Outcome::Done => Ok(outcome),
            Ok(()) if is_open => Err(sqlx::Error::BeginFailed),
            ended => ended.map(|()| outcome),
        }
    }
}

async fn by<T>(deadline: Instant, work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let done = timeout_at(deadline, work).await;
    done.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
