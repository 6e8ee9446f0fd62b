//! The SQL of the sessions of all accounts.

use uuid::Uuid;

use crate::db::{Tx, in_tx};
#[cfg(feature = "server")]
use crate::{
    clock::Timestamp,
    db::{Db, on_reader},
};

/// Waits for sessions that are beginning or changing their ids, and has others wait until the end of
/// this transaction. On SQLite every transaction does.
pub(super) async fn lock_sessions(tx: &mut Tx) -> sqlx::Result<()> {
    if !tx.is_postgres() {
        return Ok(());
    }
    // Every server waits behind this lock, once it is asked for.
    for sql in [
        "set local lock_timeout = '2s'",
        "lock table sessions in share row exclusive mode",
    ] {
        in_tx!(tx, conn => sqlx::query(sql).execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// Ends up to `limit` sessions of whatever users; their public ids.
pub(super) async fn delete_sessions(tx: &mut Tx, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    // `is not null` would read the visitors' sessions again for each batch. By `public_id`, as
    // PostgreSQL passes over a row whose `id` was changed while the statement waited for it.
    in_tx!(tx, conn => sqlx::query_scalar(
        "delete from sessions where public_id in
             (select public_id from sessions where user_id > $1 order by user_id, public_id limit $2)
         returning public_id",
    )
    .bind(Uuid::nil())
    .bind(limit)
    .fetch_all(conn)
    .await)
}

/// How many sessions of users have not expired by their rows.
#[cfg(feature = "server")]
pub(super) async fn count_live_sessions(db: &Db, now: Timestamp) -> sqlx::Result<i64> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select count(*) from sessions s join users u on u.id = s.user_id
         where s.expiry_date > $1 and u.disabled_at is null",
    )
    .bind(now)
    .fetch_one(conn)
    .await)
}
