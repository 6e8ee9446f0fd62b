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
    let cast = db.write((post_id, user_id), |&(post_id, user_id), tx| {
        Box::pin(async move {
            if !store::count(tx, post_id, 1).await? {
                return Ok(Voted::NoPost);
            }
            if !store::insert(tx, post_id, user_id).await? {
                // They have voted before: the count is rolled back.
                tx.abandon();
            }
            Ok(Voted::Done)
        })
    });
    cast.await
}

/// Takes the user's vote back, if there is one.
pub(super) async fn take_back(db: &Db, post_id: Uuid, user_id: Uuid) -> sqlx::Result<Voted> {
    let take_back = db.write((post_id, user_id), |&(post_id, user_id), tx| {
        Box::pin(async move {
            if !store::count(tx, post_id, -1).await? {
                return Ok(Voted::NoPost);
            }
            if !store::delete(tx, post_id, user_id).await? {
                tx.abandon();
            }
            Ok(Voted::Done)
        })
    });
    take_back.await
}
