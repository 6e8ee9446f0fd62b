//! Reading, writing and voting for posts.

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    comments::{self, Comment},
    error::{Error, FreeReadsUsed, NotYours},
    fields,
    posts::{self, NewPost, Page, Post},
    state::News,
};
use crate::{
    auth::{
        request::{extract::CurrentUser, visitor::Visitor},
        user::{User, username::Username},
    },
    http::{
        self, FieldErrors, JsonBody, OneId, PathIds, Problem, QueryString,
        problem_responses::{NotFound, NotLoggedIn},
    },
};

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;
/// Comments shown with a post; of more, the newest.
const MAX_COMMENTS: i64 = 1_000;
/// `author=me` is whoever asks.
const ME: &str = "me";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How many, 1 to 100; 20 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// The `next` of the page before.
    after: Option<String>,
    /// A username, or `me`.
    author: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Posts {
    posts: Vec<Post>,
    /// What to pass as `after` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
    logged_in: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct PostWithComments {
    post: Post,
    /// Oldest first.
    comments: Vec<Comment>,
    logged_in: bool,
    /// How many more posts a visitor may open; null for whom nothing is counted.
    #[schema(required)]
    reads_left: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
pub(super) struct PostDraft {
    /// At most 200 characters.
    #[serde(default)]
    #[schema(
        required,
        max_length = 200,
        pattern = r"[^\s\u0085]",
        example = "Sessions, signed"
    )]
    title: String,
    /// http or https.
    #[schema(
        max_length = 2_000,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://",
        example = "https://example.com/sessions"
    )]
    url: Option<String>,
    /// Plain text, at most 10,000 characters.
    #[schema(max_length = 10_000, example = "Why a cookie needs a signature.")]
    text: Option<String>,
}

/// A field that is left out stays as it is; null empties `url` or `text` and leaves `title`.
#[derive(Deserialize, ToSchema)]
pub(super) struct PostChange {
    #[schema(
        max_length = 200,
        pattern = r"[^\s\u0085]",
        example = "Sessions, signed and sealed"
    )]
    title: Option<String>,
    #[serde(default, deserialize_with = "fields::present")]
    #[schema(
        value_type = Option<String>,
        max_length = 2_000,
        pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"
    )]
    url: Option<Option<String>>,
    #[serde(default, deserialize_with = "fields::present")]
    #[schema(value_type = Option<String>, max_length = 10_000)]
    text: Option<Option<String>>,
}

/// List posts, newest first
#[utoipa::path(get, path = "/posts", tag = "news", params(ListQuery), security((), ("session" = [])), responses(
    (status = 200, body = Posts),
    NotLoggedIn,
    (status = 422, body = Problem, content_type = "application/problem+json",
        description = "`invalid`: no such limit or cursor"),
))]
pub(super) async fn list_posts(
    State(news): State<News>,
    visitor: Visitor,
    QueryString(query): QueryString<ListQuery>,
) -> Result<Json<Posts>, Error> {
    let (limit, after) = read_page(&query)?;
    let (reader, author) = match query.author.as_deref() {
        Some(ME) => {
            let user = visitor.user().await?;
            (Some(user.clone()), Some(user.username))
        }
        author => (visitor.optional_user().await?, author.map(str::to_owned)),
    };
    let logged_in = reader.is_some();
    let author_key = match author.as_deref().map(Username::parse) {
        None => None,
        Some(Ok(name)) => Some(name.key().to_owned()),
        // No user has this name.
        Some(Err(_)) => {
            return Ok(Json(Posts {
                posts: vec![],
                next: None,
                logged_in,
            }));
        }
    };
    // One more than requested tells whether there is a next page.
    let page = Page {
        author_key: author_key.as_deref(),
        after,
        limit: limit + 1,
    };
    let mut posts = posts::list(news.db(), reader.as_ref().map(|user| user.id), page).await?;
    let asked_for = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = posts.len() > asked_for;
    posts.truncate(asked_for);
    let next = posts
        .last()
        .filter(|_| has_more)
        .map(|post| post.id.to_string());
    Ok(Json(Posts {
        posts,
        next,
        logged_in,
    }))
}

fn read_page(query: &ListQuery) -> Result<(i64, Option<Uuid>), Error> {
    let mut errors = FieldErrors::new();
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        fields::note(&mut errors, "limit", format!("must be 1 to {MAX_LIMIT}"));
    }
    let after = query.after.as_deref().map(str::parse).transpose();
    if after.is_err() {
        fields::note(
            &mut errors,
            "after",
            "must be the `next` of the page before".into(),
        );
    }
    fields::into_result(errors)?;
    Ok((limit, after.unwrap_or_default()))
}

/// Show a post with its comments
///
/// Visitors may open so many different posts; opening one again is free. Without a session it
/// counts for their address. `HEAD` is answered as `GET` would be, as far as that is known, and
/// counts nothing.
#[utoipa::path(get, path = "/posts/{id}", tag = "news",
    params(OneId),
    security((), ("session" = [])),
    responses(
        (status = 200, body = PostWithComments,
            headers(("Set-Cookie", description = "A visitor's session, on the first post"))),
        (status = 402, body = FreeReadsUsed, content_type = "application/problem+json",
            description = "`free_reads_used`, with `limit`: the visitor has opened as many \
                different posts as are free; or it came without a session from an address that \
                has used up `FREE_READS_PER_ADDRESS`"),
        NotFound,
    ),
)]
pub(super) async fn show_post(
    State(news): State<News>,
    visitor: Visitor,
    method: Method,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<Json<PostWithComments>, Error> {
    let reader = visitor.optional_user().await?;
    let reader_id = reader.as_ref().map(|user| user.id);
    let post = posts::find(news.db(), reader_id, id)
        .await?
        .ok_or(http::Error::NotFound)?;
    let (db, now) = (news.db(), news.now());
    let reads_left = match news.meter().filter(|_| reader.is_none()) {
        // Nothing is shown.
        Some(meter) if method == Method::HEAD => Some(meter.check(db, &visitor, id, now).await?),
        Some(meter) => Some(meter.count(db, &visitor, id, now).await?),
        None => None,
    };
    let comments = comments::list(news.db(), id, MAX_COMMENTS).await?;
    Ok(Json(PostWithComments {
        post,
        comments,
        logged_in: reader.is_some(),
        reads_left,
    }))
}

/// Write a post
#[utoipa::path(post, path = "/posts", tag = "news", request_body = PostDraft, security(("session" = [])), responses(
    (status = 201, body = Post),
    NotLoggedIn,
))]
pub(super) async fn add_post(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    JsonBody(draft): JsonBody<PostDraft>,
) -> Result<(StatusCode, Json<Post>), Error> {
    check_fields(
        Some(&draft.title),
        draft.url.as_deref(),
        draft.text.as_deref(),
    )?;
    let now = news.now();
    let post = NewPost {
        id: now.new_id(),
        author: &user,
        title: &draft.title,
        url: draft.url.as_deref(),
        text: draft.text.as_deref(),
        created_at: now,
    };
    let mut tx = news.db().begin().await?;
    posts::insert(&mut tx, &post).await?;
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(read_back(&news, &user, post.id).await?),
    ))
}

/// Change a post of one's own
#[utoipa::path(patch, path = "/posts/{id}", tag = "news", request_body = PostChange,
    params(OneId),
    security(("session" = [])),
    responses(
        (status = 200, body = Post),
        NotLoggedIn,
        NotYours,
        NotFound,
    ),
)]
pub(super) async fn change_post(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(OneId { id }): PathIds<OneId>,
    JsonBody(change): JsonBody<PostChange>,
) -> Result<Json<Post>, Error> {
    check_author(&news, &user, id).await?;
    let url = change.url.as_ref().map(Option::as_deref);
    let text = change.text.as_ref().map(Option::as_deref);
    check_fields(change.title.as_deref(), url.flatten(), text.flatten())?;
    posts::update(news.db(), id, change.title.as_deref(), url, text).await?;
    Ok(Json(read_back(&news, &user, id).await?))
}

/// Delete a post of one's own
///
/// Its comments and votes go with it.
#[utoipa::path(delete, path = "/posts/{id}", tag = "news",
    params(OneId),
    security(("session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        NotLoggedIn,
        NotYours,
        NotFound,
    ),
)]
pub(super) async fn delete_post(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<StatusCode, Error> {
    check_author(&news, &user, id).await?;
    posts::delete(news.db(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses users who did not write the post.
async fn check_author(news: &News, user: &User, id: Uuid) -> Result<(), Error> {
    match posts::find_author(news.db(), id).await? {
        None => Err(http::Error::NotFound.into()),
        Some(author) if author != user.id => Err(Error::NotYours),
        Some(_) => Ok(()),
    }
}

/// The post as `user` now sees it.
pub(super) async fn read_back(news: &News, user: &User, id: Uuid) -> Result<Post, Error> {
    posts::find(news.db(), Some(user.id), id)
        .await?
        .ok_or(http::Error::NotFound.into())
}

fn check_fields(title: Option<&str>, url: Option<&str>, text: Option<&str>) -> Result<(), Error> {
    let mut errors = FieldErrors::new();
    if let Some(title) = title {
        fields::check_title(&mut errors, title);
    }
    if let Some(url) = url {
        fields::check_url(&mut errors, url);
    }
    if let Some(text) = text {
        fields::check_post_text(&mut errors, text);
    }
    Ok(fields::into_result(errors)?)
}
