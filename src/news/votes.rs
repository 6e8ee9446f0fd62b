//! Votes: the row and its SQL.

use uuid::Uuid;

use super::posts;
use crate::db::{Db, Tx, in_tx};

/// The outcome of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voted {
    /// It is as the user wants it, by this request or an earlier one.
    Done,
    /// There is no such post.
    NoPost,
}

/// Counts the user's vote, once however often it is sent.
pub(super) async fn cast(db: &Db, post_id: Uuid, user_id: Uuid) -> sqlx::Result<Voted> {
    let mut tx = db.begin().await?;
    if !posts::count_votes(&mut tx, post_id, 1).await? {
        return Ok(Voted::NoPost);
    }
    // The one who voted before is rolled back, count and all.
    if insert(&mut tx, post_id, user_id).await? {
        tx.commit().await?;
    }
    Ok(Voted::Done)
}

/// Takes the user's vote back, if there is one.
pub(super) async fn take_back(db: &Db, post_id: Uuid, user_id: Uuid) -> sqlx::Result<Voted> {
    let mut tx = db.begin().await?;
    if !posts::count_votes(&mut tx, post_id, -1).await? {
        return Ok(Voted::NoPost);
    }
    let deleted = in_tx!(&mut tx, conn => sqlx::query(
        "delete from votes where post_id = $1 and user_id = $2",
    )
    .bind(post_id)
    .bind(user_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))?;
    if deleted == 1 {
        tx.commit().await?;
    }
    Ok(Voted::Done)
}

/// Adds a vote; false when it is there already.
pub(super) async fn insert(tx: &mut Tx, post_id: Uuid, user_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "insert into votes (post_id, user_id) values ($1, $2) on conflict do nothing",
    )
    .bind(post_id)
    .bind(user_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
