//! The SQL of posts.

use uuid::Uuid;

use super::{NewPost, Page, Post};
use crate::{
    auth::user::{User, username::Username},
    db::{Db, Tx, in_tx, on_reader},
};

/// What readers see of a post; `$1` is the current user. Of an author who has deleted their account
/// nobody sees the name, which somebody else may have by now.
macro_rules! select_where {
    ($rest:literal) => {
        concat!(
            "select p.id, p.title, p.url, p.text,
                    case when u.id is null then '[deleted]' else p.author end as author,
                    p.comment_count, p.vote_count, v.user_id is not null as voted, p.created_at
             from posts p
             left join votes v on v.post_id = p.id and v.user_id = $1
             left join users u on u.id = p.author_id
             where ",
            $rest
        )
    };
}

/// `$2` is the last id of the page before, `$3` the limit.
pub(crate) const LIST: &str = select_where!("p.id < $2 order by p.id desc limit $3");

/// As [`LIST`]; `$3` is the author, `$4` the limit.
pub(crate) const LIST_BY_AUTHOR: &str = select_where!(
    "p.id < $2 and p.author_key = $3 and u.id is not null order by p.id desc limit $4"
);

/// `$2` is the post.
pub(crate) const FIND: &str = select_where!("p.id = $2");

/// A page of posts, newest first: ids sort by time.
pub(crate) async fn list(db: &Db, reader: Option<Uuid>, page: Page<'_>) -> sqlx::Result<Vec<Post>> {
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
            .bind(author_key)
            .bind(page.limit)
            .fetch_all(conn)
            .await),
    }
}

/// One post.
pub(crate) async fn find(db: &Db, reader: Option<Uuid>, id: Uuid) -> sqlx::Result<Option<Post>> {
    on_reader!(db, conn => sqlx::query_as(FIND)
        .bind(reader)
        .bind(id)
        .fetch_optional(conn)
        .await)
}

/// The author of a post.
pub(crate) async fn find_author(db: &Db, id: Uuid) -> sqlx::Result<Option<Uuid>> {
    on_reader!(db, conn => sqlx::query_scalar("select author_id from posts where id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await)
}

/// Adds a post.
pub(crate) async fn insert(tx: &mut Tx, post: &NewPost<'_>) -> sqlx::Result<()> {
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
pub(crate) async fn is_there(tx: &mut Tx, author: &User, title: &str) -> sqlx::Result<bool> {
    let found: Option<(Uuid,)> = in_tx!(tx, conn => sqlx::query_as(
        "select id from posts where author_key = $1 and title = $2",
    )
    .bind(Username::key_of(&author.username))
    .bind(title)
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}

/// The title, URL and text of a post as a change has them.
pub(crate) type Fields<'a> = (
    Option<&'a str>,
    Option<Option<&'a str>>,
    Option<Option<&'a str>>,
);

/// Updates a post; a field that is none stays as it is.
pub(crate) async fn update(
    tx: &mut Tx,
    id: Uuid,
    (title, url, text): Fields<'_>,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
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
pub(crate) async fn delete(tx: &mut Tx, id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("delete from posts where id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}
