//! Voting for posts.

use axum::{Json, extract::State};

use super::Voted;
use crate::{
    auth::{request::extract::CurrentUser, user::User},
    http::{
        self, OneId, PathIds,
        problem_responses::{NotFound, NotLoggedIn},
    },
    news::{
        error::Error,
        posts::{self, Post},
        state::News,
    },
};

/// Vote for a post
///
/// A user's vote counts once, however often it is sent.
#[utoipa::path(put, path = "/posts/{id}/vote", tag = "news", params(OneId), security(("session" = [])),
    responses((status = 200, body = Post), NotLoggedIn, NotFound))]
pub(crate) async fn vote(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(post): PathIds<OneId>,
) -> Result<Json<Post>, Error> {
    let voted = super::cast(news.db(), post.id, user.id).await?;
    respond(&news, &user, &post, voted).await
}

/// Take a vote back
#[utoipa::path(delete, path = "/posts/{id}/vote", tag = "news", params(OneId), security(("session" = [])),
    responses((status = 200, body = Post), NotLoggedIn, NotFound))]
pub(crate) async fn take_vote_back(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(post): PathIds<OneId>,
) -> Result<Json<Post>, Error> {
    let voted = super::take_back(news.db(), post.id, user.id).await?;
    respond(&news, &user, &post, voted).await
}

async fn respond(
    news: &News,
    user: &User,
    post: &OneId,
    voted: Voted,
) -> Result<Json<Post>, Error> {
    match voted {
        Voted::Done => Ok(Json(posts::read_back(news, user, post.id).await?)),
        Voted::NoPost => Err(http::Error::NotFound.into()),
    }
}
