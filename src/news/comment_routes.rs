//! Writing and deleting comments.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    comments::{self, Comment},
    fields,
    post_routes::read_id,
    state::News,
};
use crate::{
    gate::CurrentUser,
    http::{Error, JsonBody, Problem},
};

#[derive(Deserialize, ToSchema)]
pub(super) struct CommentDraft {
    /// Plain text, at most 4,000 characters.
    #[serde(default)]
    #[schema(
        required,
        max_length = 4_000,
        example = "Because anybody can edit a cookie."
    )]
    text: String,
}

/// Comment on a post
#[utoipa::path(post, path = "/posts/{id}/comments", tag = "news", request_body = CommentDraft,
    params(("id" = String, Path, description = "As `GET /posts` lists it")),
    responses(
        (status = 201, body = Comment),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "`not_logged_in`"),
        (status = 404, body = Problem, content_type = "application/problem+json",
            description = "`not_found`"),
    ),
)]
pub(super) async fn add_comment(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    Path(post_id): Path<String>,
    JsonBody(draft): JsonBody<CommentDraft>,
) -> Result<(StatusCode, Json<Comment>), Error> {
    let post_id = read_id(&post_id)?;
    fields::check_comment(&draft.text)?;
    let mut tx = news.db().begin().await?;
    // Made inside the transaction, so that ids follow the order in which comments were added.
    let comment = Comment {
        id: Uuid::now_v7(),
        text: draft.text,
        author: user.username.clone(),
        created_at: news.now(),
    };
    if !comments::insert(&mut tx, post_id, &user, &comment).await? {
        return Err(Error::NotFound);
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(comment)))
}

/// Delete a comment of one's own
#[utoipa::path(delete, path = "/posts/{id}/comments/{comment_id}", tag = "news",
    params(
        ("id" = String, Path, description = "As `GET /posts` lists it"),
        ("comment_id" = String, Path, description = "As `GET /posts/{id}` lists it"),
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 401, body = Problem, content_type = "application/problem+json",
            description = "`not_logged_in`"),
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "`not_yours`: somebody else wrote it"),
        (status = 404, body = Problem, content_type = "application/problem+json",
            description = "`not_found`"),
    ),
)]
pub(super) async fn delete_comment(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    Path((post_id, id)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let (post_id, id) = (read_id(&post_id)?, read_id(&id)?);
    match comments::find_author(news.db(), post_id, id).await? {
        None => return Err(Error::NotFound),
        Some(author) if author != user.id => return Err(Error::NotYours),
        Some(_) => {}
    }
    let mut tx = news.db().begin().await?;
    if !comments::delete(&mut tx, post_id, id).await? {
        return Err(Error::NotFound);
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
