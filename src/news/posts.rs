//! Posts: the row and its SQL.

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    auth::user::{User, username::Username},
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader, on_writer},
};

/// A post as readers see it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(super) struct Post {
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    pub id: Uuid,
    #[schema(example = "Sessions, signed")]
    pub title: String,
    #[schema(required, example = "https://example.com/sessions")]
    pub url: Option<String>,
    /// Plain text as it was typed; never HTML.
    #[schema(required, example = "Why a cookie needs a signature.")]
    pub text: Option<String>,
    /// The author's username.
    #[schema(example = "Jackson")]
    pub author: String,
    pub comment_count: i64,
    pub vote_count: i64,
    /// Whether the one who asks has voted for it.
    pub voted: bool,
    pub created_at: Timestamp,
}

/// What a new post holds.
#[derive(Debug)]
pub(super) struct NewPost<'a> {
    pub id: Uuid,
    pub author: &'a User,
    pub title: &'a str,
    pub url: Option<&'a str>,
    pub text: Option<&'a str>,
    pub created_at: Timestamp,
}

/// Which posts to list.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// By this author; by anybody when none.
    pub author_key: Option<&'a str>,
    /// The last one of the page before.
    pub after: Option<Uuid>,
    pub limit: i64,
}

/// `$1` is the current user, `$2` the last id of the page before, `$3` the limit.
pub(super) const LIST: &str = "select p.id, p.title, p.url, p.text, p.author, p.comment_count,
        p.vote_count, v.user_id is not null as voted, p.created_at
     from posts p left join votes v on v.post_id = p.id and v.user_id = $1
     where p.id < $2 order by p.id desc limit $3";

/// As [`LIST`]; `$4` is the author.
pub(super) const LIST_BY_AUTHOR: &str =
    "select p.id, p.title, p.url, p.text, p.author, p.comment_count,
        p.vote_count, v.user_id is not null as voted, p.created_at
     from posts p left join votes v on v.post_id = p.id and v.user_id = $1
     where p.id < $2 and p.author_key = $4 order by p.id desc limit $3";

/// `$1` is the current user, `$2` the post.
pub(super) const FIND: &str = "select p.id, p.title, p.url, p.text, p.author, p.comment_count,
        p.vote_count, v.user_id is not null as voted, p.created_at
     from posts p left join votes v on v.post_id = p.id and v.user_id = $1
     where p.id = $2";

/// A page of posts, newest first: ids sort by time.
pub(super) async fn list(db: &Db, reader: Option<Uuid>, page: Page<'_>) -> sqlx::Result<Vec<Post>> {
    let after = page.after.unwrap_or(Uuid::max());
    match page.author_key {
        None => on_reader!(db, conn => sqlx::query_as(LIST)
            .bind(reader)
            .bind(after)
            .bind(page.limit)
            .fetch_all(conn)
            .await),
        Some(author_key) => on_reader!(db, conn => sqlx::query_as(LIST_BY_AUTHOR)
            .bind(reader)
            .bind(after)
            .bind(page.limit)
            .bind(author_key)
            .fetch_all(conn)
            .await),
    }
}

/// One post.
pub(super) async fn find(db: &Db, reader: Option<Uuid>, id: Uuid) -> sqlx::Result<Option<Post>> {
    on_reader!(db, conn => sqlx::query_as(FIND)
        .bind(reader)
        .bind(id)
        .fetch_optional(conn)
        .await)
}

/// The author of a post.
pub(super) async fn find_author(db: &Db, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    on_reader!(db, conn => sqlx::query_scalar("select author_id from posts where id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await)
}

/// Adds a post.
pub(super) async fn insert(tx: &mut Tx, post: &NewPost<'_>) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into posts (id, author_id, author, author_key, title, url, text, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(post.id)
    .bind(post.author.id)
    .bind(&post.author.username)
    .bind(Username::key_of(&post.author.username))
    .bind(post.title)
    .bind(post.url)
    .bind(post.text)
    .bind(post.created_at)
    .execute(conn)
    .await
    .map(drop))
}

/// Whether this author has a post with this title.
pub(super) async fn is_there(tx: &mut Tx, author: &User, title: &str) -> sqlx::Result<bool> {
    let found: Option<(Uuid,)> = in_tx!(tx, conn => sqlx::query_as(
        "select id from posts where author_key = $1 and title = $2",
    )
    .bind(Username::key_of(&author.username))
    .bind(title)
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}

/// Updates a post; a field that is none stays as it is.
pub(super) async fn update(
    db: &Db,
    id: Uuid,
    title: Option<&str>,
    url: Option<Option<&str>>,
    text: Option<Option<&str>>,
) -> sqlx::Result<()> {
    on_writer!(db, conn => sqlx::query(
        "update posts set title = coalesce($1, title),
                          url = case when $2 then $3 else url end,
                          text = case when $4 then $5 else text end
         where id = $6",
    )
    .bind(title)
    .bind(url.is_some())
    .bind(url.flatten())
    .bind(text.is_some())
    .bind(text.flatten())
    .bind(id)
    .execute(conn)
    .await
    .map(drop))
}

/// Deletes a post with its comments, votes and reads.
pub(super) async fn delete(db: &Db, id: Uuid) -> sqlx::Result<()> {
    on_writer!(db, conn => sqlx::query("delete from posts where id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}

/// Adds to the number of comments; false when there is no such post. Locks the row, so that
/// nobody deletes the post meanwhile.
pub(super) async fn count_comments(tx: &mut Tx, id: Uuid, more: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update posts set comment_count = comment_count + $1 where id = $2",
    )
    .bind(more)
    .bind(id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Adds to the number of votes; otherwise as [`count_comments`].
pub(super) async fn count_votes(tx: &mut Tx, id: Uuid, more: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update posts set vote_count = vote_count + $1 where id = $2",
    )
    .bind(more)
    .bind(id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
