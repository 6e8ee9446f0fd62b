//! Reading posts.

use axum::{Json, extract::State, http::Method};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Page, Post, store};
use crate::{
    auth::{request::visitor::Visitor, user::username::Username},
    http::{
        self, FieldErrors, OneId, PathIds, Problem, QueryString,
        problem_responses::{NotFound, NotLoggedIn},
    },
    news::{
        comments::{self, Comment},
        error::{Error, FreeReadsUsed},
        fields,
        meter::{Opening, Refusal},
        state::News,
    },
};

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;
/// Comments shown with a post; of more, the newest.
const MAX_COMMENTS: i64 = 1_000;
/// `author=me` lists the posts of the logged-in user.
const ME: &str = "me";

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many, 1 to 100; 20 when not said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
    /// The `next` of the page before.
    after: Option<String>,
    /// A username, or `me`.
    author: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Posts {
    posts: Vec<Post>,
    /// What to pass as `after` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
    logged_in: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PostWithComments {
    post: Post,
    /// Oldest first.
    comments: Vec<Comment>,
    logged_in: bool,
    /// How many more posts a visitor may open; null for logged-in users, who are not metered.
    #[schema(required)]
    reads_left: Option<u32>,
}

/// List posts, newest first
#[utoipa::path(get, path = "/posts", tag = "news", params(ListQuery), security((), ("session" = [])), responses(
    (status = 200, body = Posts),
    NotLoggedIn,
    (status = 422, body = Problem, content_type = "application/problem+json",
        description = "`invalid`: no such limit or cursor"),
))]
pub(crate) async fn list_posts(
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
    let mut posts = store::list(news.db(), reader.as_ref().map(|user| user.id), page).await?;
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
/// Visitors may open a limited number of different posts; opening one again is free. Without a
/// session it counts for their address. `HEAD` gets the status of a `GET`, as far as that is known,
/// and counts nothing.
#[utoipa::path(get, path = "/posts/{id}", tag = "news",
    params(OneId),
    security((), ("session" = [])),
    responses(
        (status = 200, body = PostWithComments,
            headers(("Set-Cookie", description = "A visitor's session, on the first post"))),
        (status = 402, body = FreeReadsUsed, content_type = "application/problem+json",
            description = "`free_reads_used`, with `limit` and a `preview` of the post: the visitor has opened as many \
                different posts as are free; or it came without a session from an address that \
                has used up `FREE_READS_PER_ADDRESS`"),
        NotFound,
    ),
)]
pub(crate) async fn show_post(
    State(news): State<News>,
    visitor: Visitor,
    method: Method,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<Json<PostWithComments>, Error> {
    let reader = visitor.optional_user().await?;
    let reader_id = reader.as_ref().map(|user| user.id);
    let post = store::find(news.db(), reader_id, id)
        .await?
        .ok_or(http::Error::NotFound)?;
    let opening = Opening {
        db: news.db(),
        visitor: &visitor,
        post_id: id,
        now: news.now(),
    };
    let reads_left = match news.meter().filter(|_| reader.is_none()) {
        Some(meter) => {
            // To HEAD nothing is shown.
            let opened = match method {
                Method::HEAD => meter.check(opening).await,
                _ => meter.count(opening).await,
            };
            match opened {
                Ok(left) => Some(left),
                Err(Refusal::Failed(error)) => return Err(error.into()),
                Err(Refusal::UsedUp) => {
                    return Err(Error::FreeReadsUsed {
                        limit: meter.limit,
                        preview: Box::new(post.into_preview()),
                    });
                }
            }
        }
        None => None,
    };
    let comments = comments::store::list(news.db(), id, MAX_COMMENTS).await?;
    Ok(Json(PostWithComments {
        post,
        comments,
        logged_in: reader.is_some(),
        reads_left,
    }))
}
