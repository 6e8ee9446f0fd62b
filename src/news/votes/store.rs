//! The SQL of votes.

use uuid::Uuid;

use crate::db::{Tx, in_tx};

/// Adds a vote; false when it is there already.
pub(crate) async fn insert(tx: &mut Tx, post_id: Uuid, user_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "insert into votes (post_id, user_id) values ($1, $2) on conflict do nothing",
    )
    .bind(post_id)
    .bind(user_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Deletes a vote; false when there is none.
pub(crate) async fn delete(tx: &mut Tx, post_id: Uuid, user_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query("delete from votes where post_id = $1 and user_id = $2")
        .bind(post_id)
        .bind(user_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Adds to the post's number of votes; false when there is no such post. Locks the row, so that
/// nobody deletes the post meanwhile.
pub(crate) async fn count(tx: &mut Tx, post_id: Uuid, more: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update posts set vote_count = vote_count + $1 where id = $2",
    )
    .bind(more)
    .bind(post_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
