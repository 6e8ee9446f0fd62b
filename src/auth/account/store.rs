//! The SQL of the sessions of all accounts.

use uuid::Uuid;

use crate::db::{Tx, in_tx};
#[cfg(feature = "server")]
use crate::{
    clock::Timestamp,
    db::{Db, on_reader},
};

/// Ends up to `limit` sessions of whatever users; their public ids.
pub(super) async fn delete_sessions(tx: &mut Tx, limit: i64) -> sqlx::Result<Vec<Uuid>> {
    // `is not null` would read the visitors' sessions again for each batch.
    in_tx!(tx, conn => sqlx::query_scalar(
        "delete from sessions where id in
             (select id from sessions where user_id > $1 order by user_id, public_id limit $2)
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
