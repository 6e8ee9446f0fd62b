//! Writing and deleting comments.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{Comment, store};
use crate::{
    auth::request::extract::CurrentUser,
    http::{
        self, JsonBody, OneId, PathIds,
        problem_responses::{NotFound, NotLoggedIn},
    },
    news::{
        error::{Error, NotYours},
        fields,
        state::News,
    },
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct CommentDraft {
    /// Plain text, at most 4,000 characters.
    #[serde(default)]
    #[schema(
        required,
        max_length = 4_000,
        pattern = r"[^\s\u0085]",
        example = "Because anybody can edit a cookie."
    )]
    text: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CommentIds {
    /// The post, as `GET /posts` lists it.
    #[param(value_type = String)]
    id: Uuid,
    /// The comment, as `GET /posts/{id}` lists it.
    #[param(value_type = String)]
    comment_id: Uuid,
}

/// Comment on a post
#[utoipa::path(post, path = "/posts/{id}/comments", tag = "news", request_body = CommentDraft,
    params(OneId),
    security(("session" = [])),
    responses(
        (status = 201, body = Comment),
        NotLoggedIn,
        NotFound,
    ),
)]
pub(crate) async fn add_comment(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(OneId { id: post_id }): PathIds<OneId>,
    JsonBody(draft): JsonBody<CommentDraft>,
) -> Result<(StatusCode, Json<Comment>), Error> {
    fields::check_comment(&draft.text)?;
    let add = (news.clone(), user, post_id, draft.text);
    let added = news.db().write(add, |(news, user, post_id, text), tx| {
        Box::pin(async move {
            // In the transaction, so that ids follow the order in which comments were added.
            let now = news.now();
            let comment = Comment {
                id: now.new_id(),
                text: text.clone(),
                author: user.username.clone(),
                created_at: now,
            };
            if store::insert(tx, *post_id, user, &comment).await? {
                Ok(comment)
            } else {
                Err(Error::from(http::Error::NotFound))
            }
        })
    });
    Ok((StatusCode::CREATED, Json(added.await?)))
}

/// Delete a comment of one's own
#[utoipa::path(delete, path = "/posts/{id}/comments/{comment_id}", tag = "news",
    params(CommentIds),
    security(("session" = [])),
    responses(
        (status = 204, description = "Deleted"),
        NotLoggedIn,
        NotYours,
        NotFound,
    ),
)]
pub(crate) async fn delete_comment(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(CommentIds {
        id: post_id,
        comment_id: id,
    }): PathIds<CommentIds>,
) -> Result<StatusCode, Error> {
    match store::find_author(news.db(), post_id, id).await? {
        None => return Err(http::Error::NotFound.into()),
        Some(author) if author != user.id => return Err(Error::NotYours),
        Some(_) => {}
    }
    let delete = news.db().write((post_id, id), |&(post_id, id), tx| {
        Box::pin(async move {
            if store::delete(tx, post_id, id).await? {
                Ok(StatusCode::NO_CONTENT)
            } else {
                Err(Error::from(http::Error::NotFound))
            }
        })
    });
    delete.await
}
