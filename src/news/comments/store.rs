//! The SQL of comments.

use uuid::Uuid;

use super::Comment;
use crate::{
    auth::user::User,
    db::{Db, Tx, in_tx, on_reader},
};

/// The newest come first here, so that a limit keeps them; readers get the oldest first.
pub(crate) const LIST: &str = "select c.id, c.text,
        case when u.id is null then '[deleted]' else c.author end as author, c.created_at
     from comments c left join users u on u.id = c.author_id
     where c.post_id = $1 order by c.id desc limit $2";

/// The comments of a post, oldest first; of very many the `limit` newest.
pub(crate) async fn list(db: &Db, post_id: Uuid, limit: i64) -> sqlx::Result<Vec<Comment>> {
    let mut comments: Vec<Comment> = on_reader!(db, conn => sqlx::query_as(LIST)
        .bind(post_id)
        .bind(limit)
        .fetch_all(conn)
        .await)?;
    comments.reverse();
    Ok(comments)
}

/// Adds a comment and updates the post's count; false when there is no such post.
pub(crate) async fn insert(
    tx: &mut Tx,
    post_id: Uuid,
    author: &User,
    comment: &Comment,
) -> sqlx::Result<bool> {
    if !count(tx, post_id, 1).await? {
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
pub(crate) async fn find_author(db: &Db, post_id: Uuid, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select author_id from comments where id = $1 and post_id = $2",
    )
    .bind(id)
    .bind(post_id)
    .fetch_optional(conn)
    .await)
}

/// Deletes a comment and updates the post's count; false when it is gone already.
pub(crate) async fn delete(tx: &mut Tx, post_id: Uuid, id: Uuid) -> sqlx::Result<bool> {
    // The post first, as everybody locks it first.
    if !count(tx, post_id, -1).await? {
        return Ok(false);
    }
    in_tx!(tx, conn => sqlx::query("delete from comments where id = $1 and post_id = $2")
        .bind(id)
        .bind(post_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Adds to the post's number of comments; false when there is no such post. Locks the row, so that
/// nobody deletes the post meanwhile.
async fn count(tx: &mut Tx, post_id: Uuid, more: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update posts set comment_count = comment_count + $1 where id = $2",
    )
    .bind(more)
    .bind(post_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
