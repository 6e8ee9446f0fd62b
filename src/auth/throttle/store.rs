//! Counts of attempts: the row and its SQL.

use sqlx::{FromRow, QueryBuilder};

use crate::{
    clock::{CLOCKS_APART, Timestamp},
    db::{Db, Tx, in_tx, on_reader},
};

/// The count under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct Tally {
    pub count: i64,
    /// The window that the count belongs to starts here.
    pub window_from: Timestamp,
    /// Before this moment every attempt is refused.
    pub blocked_until: Option<Timestamp>,
    /// From this moment on it no longer counts.
    pub expires_at: Timestamp,
}

impl Tally {
    /// An empty tally.
    pub fn new(now: Timestamp, expires_at: Timestamp) -> Self {
        Self {
            count: 0,
            window_from: now,
            blocked_until: None,
            expires_at,
        }
    }
}

#[derive(FromRow)]
struct Row {
    key: String,
    #[sqlx(flatten)]
    tally: Tally,
}

const INSERT: &str = "insert into throttles (key, count, window_from, blocked_until, expires_at) ";

/// Takes a key until `expires_at`; false when it is taken already.
pub(crate) async fn claim(
    tx: &mut Tx,
    key: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> sqlx::Result<bool> {
    // One that would expire much later than this one was taken before the clock was set back; a little
    // later it was taken by another node, or by a transaction that began after this one.
    in_tx!(tx, conn => sqlx::query(
        "insert into throttles (key, count, window_from, expires_at) values ($1, 1, $2, $3)
         on conflict (key) do update set window_from = $2, expires_at = $3
         where throttles.expires_at <= $2 or throttles.expires_at > $4",
    )
    .bind(key)
    .bind(now)
    .bind(expires_at)
    .bind(expires_at.after(CLOCKS_APART))
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// The tallies of `keys` that exist.
pub(crate) async fn find(db: &Db, keys: &[&str]) -> sqlx::Result<Vec<(String, Tally)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = on_reader!(db, conn => {
        let mut select = QueryBuilder::new(
            "select key, count, window_from, blocked_until, expires_at from throttles where key in (",
        );
        let mut list = select.separated(", ");
        for key in keys {
            list.push_bind(*key);
        }
        select.push(")").build_query_as().fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|row| (row.key, row.tally)).collect())
}

/// When the tally of `key` expires, if there is one.
pub(crate) async fn find_expiry(tx: &mut Tx, key: &str) -> sqlx::Result<Option<Timestamp>> {
    in_tx!(tx, conn => sqlx::query_scalar("select expires_at from throttles where key = $1")
        .bind(key)
        .fetch_optional(conn)
        .await)
}

/// The tallies of `keys`, locked until the transaction ends in the order of the keys; those that do
/// not exist are created.
pub(crate) async fn lock(
    tx: &mut Tx,
    keys: &[&str],
    now: Timestamp,
) -> sqlx::Result<Vec<(String, Tally)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = in_tx!(tx, conn => {
        let mut insert = QueryBuilder::new(INSERT);
        insert.push_values(keys, |mut row, key| {
            row.push_bind(*key).push("0").push_bind(now).push("null").push_bind(now);
        });
        insert.push(
            " on conflict (key) do update set key = excluded.key
             returning key, count, window_from, blocked_until, expires_at",
        );
        insert.build_query_as().fetch_all(conn).await
    })?;
    Ok(rows.into_iter().map(|row| (row.key, row.tally)).collect())
}

/// Stores tallies.
pub(crate) async fn put(tx: &mut Tx, tallies: &[(&str, Tally)]) -> sqlx::Result<()> {
    if tallies.is_empty() {
        return Ok(());
    }
    in_tx!(tx, conn => {
        let mut insert = QueryBuilder::new(INSERT);
        insert.push_values(tallies, |mut row, (key, tally)| {
            row.push_bind(*key)
                .push_bind(tally.count)
                .push_bind(tally.window_from)
                .push_bind(tally.blocked_until)
                .push_bind(tally.expires_at);
        });
        insert.push(
            " on conflict (key) do update set count = excluded.count,
                  window_from = excluded.window_from, blocked_until = excluded.blocked_until,
                  expires_at = excluded.expires_at",
        );
        insert.build().execute(conn).await.map(drop)
    })
}

/// Deletes the tallies of up to two keys.
pub(crate) async fn delete(tx: &mut Tx, keys: &[&str]) -> sqlx::Result<()> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(());
    };
    in_tx!(tx, conn => sqlx::query("delete from throttles where key in ($1, $2)")
        .bind(*first)
        .bind(*last)
        .execute(conn)
        .await
        .map(drop))
}

/// Deletes the tallies of `key` and of `key` at any address.
pub(crate) async fn delete_all(tx: &mut Tx, key: &str) -> sqlx::Result<()> {
    let sql = if tx.is_postgres() {
        "delete from throttles where key = $1 or (key ~>=~ $2 and key ~<~ $3)"
    } else {
        DELETE_ALL_ON_SQLITE
    };
    in_tx!(tx, conn => sqlx::query(sql)
        .bind(key)
        .bind(format!("{key} "))
        // The character after the space.
        .bind(format!("{key}!"))
        .execute(conn)
        .await
        .map(drop))
}

/// A range, as `like` would have the whole table read. PostgreSQL compares texts by a language's
/// rules where the operators do not say otherwise.
const DELETE_ALL_ON_SQLITE: &str =
    "delete from throttles where key = $1 or (key >= $2 and key < $3)";

/// Removes up to `limit` tallies that no longer count; returns how many.
pub(crate) async fn purge(tx: &mut Tx, now: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from throttles where key in
             (select key from throttles where expires_at < $1 order by expires_at limit $2)
         and expires_at < $1",
    )
    .bind(now)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}

#[cfg(all(test, feature = "sqlite"))]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn forgetting_an_account_reads_no_other_counts() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let db = Db::connect(&url.parse().unwrap()).await.unwrap();
        db.migrate().await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let plan = format!("explain query plan {DELETE_ALL_ON_SQLITE}");
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(&plan)
            .fetch_all(tx.sqlite().unwrap())
            .await
            .unwrap();
        assert!(
            plan.iter().all(|(.., step)| !step.contains("SCAN")),
            "{plan:?}"
        );
    }
}
