//! Comments: the row and its SQL.

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::posts;
use crate::{
    auth::user::User,
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// A comment as readers see it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(super) struct Comment {
    #[schema(value_type = String, example = "019a9c3e-8b20-7aa0-8d9e-3f0f6f6f6b11")]
    pub id: Uuid,
    /// Plain text as it was typed; never HTML.
    #[schema(example = "Because anybody can edit a cookie.")]
    pub text: String,
    /// The author's username.
    #[schema(example = "Lernantino")]
    pub author: String,
    pub created_at: Timestamp,
}

/// The newest come first here, so that a limit keeps them; readers get the oldest first.
pub(super) const LIST: &str = "select id, text, author, created_at from comments
     where post_id = $1 order by id desc limit $2";

/// The comments of a post, oldest first; of very many the `limit` newest.
pub(super) async fn list(db: &Db, post_id: Uuid, limit: i64) -> sqlx::Result<Vec<Comment>> {
    let mut comments: Vec<Comment> = on_reader!(db, conn => sqlx::query_as(LIST)
        .bind(post_id)
        .bind(limit)
        .fetch_all(conn)
        .await)?;
    comments.reverse();
    Ok(comments)
}

/// Adds a comment and updates the post's count; false when there is no such post.
pub(super) async fn insert(
    tx: &mut Tx,
    post_id: Uuid,
    author: &User,
    comment: &Comment,
) -> sqlx::Result<bool> {
    if !posts::count_comments(tx, post_id, 1).await? {
        return Ok(false);
    }
    in_tx!(tx, conn => sqlx::query(
        "insert into comments (id, post_id, author_id, author, text, created_at)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(comment.id)
    .bind(post_id)
    .bind(author.id)
    .bind(&author.username)
    .bind(&comment.text)
    .bind(comment.created_at)
    .execute(conn)
    .await
    .map(drop))?;
    Ok(true)
}

/// The author of a comment of this post.
pub(super) async fn find_author(db: &Db, post_id: Uuid, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select author_id from comments where id = $1 and post_id = $2",
    )
    .bind(id)
    .bind(post_id)
    .fetch_optional(conn)
    .await)
}

/// Deletes a comment and updates the post's count; false when it is gone already.
pub(super) async fn delete(tx: &mut Tx, post_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    // The post first, as everybody locks it first.
    if !posts::count_comments(tx, post_id, -1).await? {
        return Ok(false);
    }
    in_tx!(tx, conn => sqlx::query("delete from comments where id = $1 and post_id = $2")
        .bind(id)
        .bind(post_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}
