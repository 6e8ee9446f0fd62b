//! Votes: one of each user for a post.

pub(super) mod routes;
pub(super) mod store;

use uuid::Uuid;

use crate::db::Db;

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
    if !store::count(&mut tx, post_id, 1).await? {
        return Ok(Voted::NoPost);
    }
    // The one who voted before is rolled back, count and all.
    if store::insert(&mut tx, post_id, user_id).await? {
        tx.commit().await?;
    }
    Ok(Voted::Done)
}

/// Takes the user's vote back, if there is one.
pub(super) async fn take_back(db: &Db, post_id: Uuid, user_id: Uuid) -> sqlx::Result<Voted> {
    let mut tx = db.begin().await?;
    if !store::count(&mut tx, post_id, -1).await? {
        return Ok(Voted::NoPost);
    }
    if store::delete(&mut tx, post_id, user_id).await? {
        tx.commit().await?;
    }
    Ok(Voted::Done)
}
