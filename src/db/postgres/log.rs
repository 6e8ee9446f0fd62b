//! The log of revocations, read so that no row is missed, in whatever order transactions commit.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use sqlx::{Executor, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

/// How long a row is kept at least after it has become visible.
const KEEP: Duration = Duration::from_secs(5 * 60);
/// Rows may have been removed unread when two readings are further apart.
const MAX_GAP: Duration = Duration::from_secs(60);
/// Rows removed by one statement, which must not make the next reading late.
const TRIMMED_AT_ONCE: u64 = 1000;

/// The log, read up to a snapshot of the database.
#[derive(Debug)]
pub(super) struct Log {
    read: Reading,
    /// Rows visible to this reading may be removed once it is older than [`KEEP`].
    trim: Reading,
}

/// A reading of the log.
#[derive(Clone, Debug)]
struct Reading {
    /// A moment before its snapshot was taken.
    moment: Instant,
    snapshot: Snapshot,
    /// When the server was started, which tells one server process from another.
    server: String,
}

/// What is new in the log.
#[derive(Debug)]
pub(super) struct News {
    /// Everything committed before this is known now.
    pub moment: Instant,
    /// The ids that were revoked; `None` revokes every session.
    pub revoked: Vec<Option<Uuid>>,
}

impl Log {
    /// Begins after everything that is committed now.
    pub async fn begin(conn: &mut PgConnection) -> sqlx::Result<Self> {
        let (read, _) = Reading::after(None, conn).await?;
        remove_future(conn).await?;
        Ok(Self {
            trim: read.clone(),
            read,
        })
    }

    /// Reads what was committed since the last reading. Fails when something may have been missed:
    /// after a restart or failover of the server, or when rows may have been removed unread.
    pub async fn read(&mut self, conn: &mut PgConnection) -> sqlx::Result<News> {
        let (read, revoked) = Reading::after(Some(&self.read.snapshot), conn).await?;
        if read.server != self.read.server {
            return Err(uncertain("the database server was restarted or replaced"));
        }
        if self.read.moment.elapsed() > MAX_GAP {
            return Err(uncertain("the last reading was too long ago"));
        }
        let moment = read.moment;
        self.read = read;
        Ok(News { moment, revoked })
    }

    /// Removes up to [`TRIMMED_AT_ONCE`] rows that every node has read; true if there may be more.
    /// Their age is measured in snapshots, not by the database's clock.
    pub async fn trim(&mut self, conn: &mut PgConnection) -> sqlx::Result<bool> {
        if self.trim.moment.elapsed() < KEEP {
            return Ok(false);
        }
        let sql = format!(
            "delete from revocations where number in (
                 select number from revocations where xid < '{}'
                 limit {TRIMMED_AT_ONCE} for update skip locked
             )",
            self.trim.snapshot.first_running
        );
        let removed = conn.execute(sqlx::raw_sql(&sql)).await?.rows_affected();
        if removed < TRIMMED_AT_ONCE {
            self.trim = self.read.clone();
            return Ok(false);
        }
        Ok(true)
    }
}

/// Removes rows of transactions that this server has not begun yet: a dump of another server had
/// them. They would be new in each reading, until this server has counted as far.
async fn remove_future(conn: &mut PgConnection) -> sqlx::Result<()> {
    let rows = "from revocations where xid >= pg_snapshot_xmax(pg_current_snapshot())";
    let find = format!("select exists (select {rows})");
    // Asked first: where nothing may be written, there is nothing to remove.
    let found: PgRow = conn.fetch_one(sqlx::raw_sql(&find)).await?;
    if found.try_get(0)? {
        let delete = format!("delete {rows}");
        conn.execute(sqlx::raw_sql(&delete)).await?;
    }
    Ok(())
}

impl Reading {
    /// Takes a snapshot, with the rows that it shows and `last` does not. One simple query:
    /// PgBouncer may have it run on another connection than the last one, where nothing that was
    /// prepared is known.
    async fn after(
        last: Option<&Snapshot>,
        conn: &mut PgConnection,
    ) -> sqlx::Result<(Self, Vec<Option<Uuid>>)> {
        let new = last.map_or_else(|| "select null::uuid limit 0".into(), Snapshot::new_rows);
        let sql = format!(
            "select pg_current_snapshot()::text, pg_postmaster_start_time()::text,
                    pg_is_in_recovery(), array({new}),
                    exists (select from sessions, users where false)"
        );
        let moment = Instant::now();
        let row: PgRow = conn.fetch_one(sqlx::raw_sql(&sql)).await?;
        if row.try_get(2)? {
            return Err(uncertain("the database is a standby, which lags behind"));
        }
        let snapshot: String = row.try_get(0)?;
        let reading = Self {
            moment,
            snapshot: snapshot.parse()?,
            server: row.try_get(1)?,
        };
        Ok((reading, row.try_get(3)?))
    }
}

/// The numbers of PostgreSQL's `pg_snapshot`: which transactions had ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Snapshot {
    /// Every transaction before this one had ended.
    first_running: u64,
    /// No transaction from this one on had ended.
    next: u64,
    /// Transactions between the two that had not ended.
    running: Vec<u64>,
}

impl Snapshot {
    /// Selects what this snapshot does not show, by the index, however long a transaction runs.
    fn new_rows(&self) -> String {
        let running: Vec<String> = self.running.iter().map(u64::to_string).collect();
        format!(
            "select whose from revocations where xid >= '{}'
             union all select whose from revocations where xid = any ('{{{}}}')",
            self.next,
            running.join(",")
        )
    }
}

impl FromStr for Snapshot {
    type Err = sqlx::Error;

    fn from_str(text: &str) -> Result<Self, sqlx::Error> {
        let parse = || {
            let mut parts = text.split(':');
            let (first_running, next) = (parts.next()?, parts.next()?);
            let running = parts.next()?.split(',').filter(|xid| !xid.is_empty());
            Some(Self {
                first_running: first_running.parse().ok()?,
                next: next.parse().ok()?,
                running: running.map(|xid| xid.parse().ok()).collect::<Option<_>>()?,
            })
        };
        parse().ok_or_else(|| uncertain("this is no snapshot"))
    }
}

fn uncertain(why: &str) -> sqlx::Error {
    sqlx::Error::Protocol(why.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_parsed() {
        let parsed = |text: &str| text.parse::<Snapshot>();
        let none_runs = parsed("795:795:").unwrap();
        assert_eq!((none_runs.first_running, none_runs.next), (795, 795));
        assert!(none_runs.running.is_empty());
        assert_eq!(parsed("10:20:10,14,15").unwrap().running, [10, 14, 15]);
        for broken in ["", "10:20", "a:20:", "10:20:1;2", "10:20:'"] {
            assert!(parsed(broken).is_err(), "{broken}");
        }
    }
}
