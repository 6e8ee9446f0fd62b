//! Writing, changing and deleting posts.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    NewPost, Post, read_back,
    store::{self, Fields},
};
use crate::{
    auth::{request::extract::CurrentUser, user::User},
    http::{
        self, FieldErrors, JsonBody, OneId, PathIds,
        problem_responses::{NotFound, NotLoggedIn},
    },
    news::{
        error::{Error, NotYours},
        fields,
        state::News,
    },
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct PostDraft {
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
pub(crate) struct PostChange {
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

impl PostChange {
    fn fields(&self) -> Fields<'_> {
        let url = self.url.as_ref().map(Option::as_deref);
        let text = self.text.as_ref().map(Option::as_deref);
        (self.title.as_deref(), url, text)
    }
}

/// Write a post
#[utoipa::path(post, path = "/posts", tag = "news", request_body = PostDraft, security(("session" = [])), responses(
    (status = 201, body = Post),
    NotLoggedIn,
))]
pub(crate) async fn add_post(
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
    let id = now.new_id();
    let add = (user.clone(), draft, id, now);
    let added = news.db().write(add, |(user, draft, id, now), tx| {
        Box::pin(async move {
            let post = NewPost {
                id: *id,
                author: user,
                title: &draft.title,
                url: draft.url.as_deref(),
                text: draft.text.as_deref(),
                created_at: *now,
            };
            store::insert(tx, &post).await
        })
    });
    added.await?;
    Ok((
        StatusCode::CREATED,
        Json(read_back(&news, &user, id).await?),
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
pub(crate) async fn change_post(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(OneId { id }): PathIds<OneId>,
    JsonBody(change): JsonBody<PostChange>,
) -> Result<Json<Post>, Error> {
    check_author(&news, &user, id).await?;
    let (title, url, text) = change.fields();
    check_fields(title, url.flatten(), text.flatten())?;
    let update = news.db().write((id, change), |(id, change), tx| {
        Box::pin(store::update(tx, *id, change.fields()))
    });
    update.await?;
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
pub(crate) async fn delete_post(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<StatusCode, Error> {
    check_author(&news, &user, id).await?;
    let delete = news
        .db()
        .write(id, |id, tx| Box::pin(store::delete(tx, *id)));
    delete.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses users who did not write the post.
async fn check_author(news: &News, user: &User, id: Uuid) -> Result<(), Error> {
    match store::find_author(news.db(), id).await? {
        None => Err(http::Error::NotFound.into()),
        Some(author) if author != user.id => Err(Error::NotYours),
        Some(_) => Ok(()),
    }
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
