//! A table to write to, and what writes can do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::{sync::Semaphore, task::JoinHandle};
use uuid::Uuid;

use crate::db::{Db, Tx, in_tx, on_reader};

/// Of callers in tests.
pub const PATIENCE: Duration = Duration::from_millis(600);

/// A table of numbers, each of which it takes once.
#[derive(Clone)]
pub struct Numbers {
    pub db: Db,
    pub table: String,
    /// Of SQLite's file.
    _folder: Option<Arc<TempDir>>,
}

impl Numbers {
    pub async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        Self::at(&url, Some(Arc::new(folder))).await
    }

    /// On both databases; on SQLite alone where no PostgreSQL is there for tests.
    pub async fn on_each() -> Vec<Self> {
        let mut each = vec![Self::on_sqlite().await];
        if let Ok(url) = std::env::var("TEST_POSTGRES_URL") {
            each.push(Self::at(&url, None).await);
        }
        each
    }

    async fn at(url: &str, folder: Option<Arc<TempDir>>) -> Self {
        let numbers = Self {
            db: Db::connect(&url.parse().unwrap()).await.unwrap(),
            table: format!("numbers_{}", Uuid::from_u128(rand::random()).simple()),
            _folder: folder,
        };
        let create = format!(
            "create table {0} (
                 number bigint primary key,
                 next bigint references {0} (number) deferrable initially deferred
             )",
            numbers.table
        );
        let created = numbers
            .db
            .write(create, |create, tx| Box::pin(run(tx, create)));
        created.await.unwrap();
        numbers
    }

    /// Takes a number and then does more, with a name for the table.
    pub async fn add_and(&self, number: i64, then: Then) -> sqlx::Result<i64> {
        self.add_within(PATIENCE, number, then).await
    }

    /// The same, for a caller with this much patience.
    pub async fn add_within(
        &self,
        patience: Duration,
        number: i64,
        then: Then,
    ) -> sqlx::Result<i64> {
        let add = (self.table.clone(), number, then);
        let added = self
            .db
            .write_within(patience, add, |(table, number, then), tx| {
                Box::pin(async move {
                    insert(tx, table, *number).await?;
                    then.run(tx, table, *number).await?;
                    Ok(*number)
                })
            });
        added.await
    }

    pub async fn add(&self, number: i64) -> sqlx::Result<i64> {
        self.add_and(number, Then::Nothing).await
    }

    /// Writes once for each of `fates`, in one batch; the results, in order.
    pub async fn in_one_batch(
        &self,
        fates: impl IntoIterator<Item = Then>,
    ) -> Vec<sqlx::Result<i64>> {
        let gate = self.shut().await;
        let writes: Vec<_> = (0..)
            .zip(fates)
            .map(|(number, fate)| self.spawn(number, fate))
            .collect();
        gate.open().await;
        let mut done = Vec::new();
        for write in writes {
            done.push(write.await.unwrap());
        }
        done
    }

    pub fn spawn(&self, number: i64, then: Then) -> JoinHandle<sqlx::Result<i64>> {
        let numbers = self.clone();
        tokio::spawn(async move { numbers.add_and(number, then).await })
    }

    /// Starts a write that holds the writer up until the gate is opened, so that others wait.
    pub async fn shut(&self) -> Gate {
        let gate = Gate {
            is_shut: Arc::new(Semaphore::new(0)),
            is_open: Arc::new(Semaphore::new(0)),
        };
        let (is_shut, is_open) = (gate.is_shut.clone(), gate.is_open.clone());
        let db = self.db.clone();
        tokio::spawn(async move {
            let hold = db.write((is_shut, is_open), |(is_shut, is_open), tx| {
                Box::pin(async move {
                    is_shut.add_permits(1);
                    is_open.acquire().await.unwrap().forget();
                    tx.abandon();
                    Ok::<_, sqlx::Error>(())
                })
            });
            hold.await.unwrap();
        });
        gate.is_shut.acquire().await.unwrap().forget();
        gate
    }

    pub async fn all(&self) -> Vec<i64> {
        let sql = format!("select number from {} order by number", self.table);
        let all = on_reader!(self.db, conn => sqlx::query_scalar(&sql).fetch_all(conn).await);
        all.unwrap()
    }

    /// Locks SQLite's file, as another process may.
    pub async fn lock_file(&self) -> SqliteConnection {
        let pool = self.db.sqlite_pool().unwrap();
        let mut other = pool.connect_options().connect().await.unwrap();
        other.execute("begin immediate").await.unwrap();
        other
    }

    /// How many transactions the connection for writing has committed from here on.
    pub async fn count_commits(&self) -> Arc<AtomicU32> {
        let commits = Arc::new(AtomicU32::new(0));
        let counter = commits.clone();
        let mut conn = self.db.sqlite_pool().unwrap().acquire().await.unwrap();
        conn.lock_handle().await.unwrap().set_commit_hook(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            true
        });
        commits
    }
}

pub struct Gate {
    is_shut: Arc<Semaphore>,
    is_open: Arc<Semaphore>,
}

impl Gate {
    /// Lets every write that was spawned be queued, then opens.
    pub async fn open(self) {
        tokio::task::yield_now().await;
        self.is_open.add_permits(1);
    }
}

/// What a write does after its number.
#[derive(Clone)]
pub enum Then {
    Nothing,
    /// Takes the number again, which is refused.
    Repeat,
    /// Takes another number.
    Insert(i64),
    Fail,
    Panic,
    Wait,
    /// Waits as well, and counts how often.
    CountAndWait(Arc<AtomicU32>),
    /// Names a number that is missing, which is found out at the commit.
    Dangle,
    /// Ends the whole transaction, as SQLite does when the disk is full.
    EndAll,
    /// Meets other transactions as often as this.
    Conflict(&'static str, Arc<AtomicU32>),
}

impl Then {
    pub async fn run(&self, tx: &mut Tx, table: &str, number: i64) -> sqlx::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Repeat => insert(tx, table, number).await,
            Self::Insert(other) => insert(tx, table, *other).await,
            Self::Fail => Err(sqlx::Error::RowNotFound),
            Self::Panic => panic!("as the test wants it"),
            Self::Wait => std::future::pending().await,
            Self::CountAndWait(times) => {
                times.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
            Self::Dangle => {
                let dangle = format!("update {table} set next = -1 where number = {number}");
                run(tx, &dangle).await
            }
            Self::EndAll => {
                run(tx, "rollback").await?;
                Err(sqlx::Error::RowNotFound)
            }
            Self::Conflict(code, times) => {
                let left = times.load(Ordering::SeqCst);
                times.store(left.saturating_sub(1), Ordering::SeqCst);
                if left == 0 {
                    return Ok(());
                }
                let raise = format!("do $$ begin raise exception sqlstate '{code}'; end $$");
                run(tx, &raise).await
            }
        }
    }
}

async fn run(tx: &mut Tx, sql: &str) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(sql).execute(conn).await.map(drop))
}

pub async fn insert(tx: &mut Tx, table: &str, number: i64) -> sqlx::Result<()> {
    let sql = format!("insert into {table} (number) values ($1)");
    in_tx!(tx, conn => sqlx::query(&sql).bind(number).execute(conn).await.map(drop))
}
