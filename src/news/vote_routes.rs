//! Voting for posts.

use axum::{Json, extract::State};

use super::{
    error::Error,
    post_routes::read_back,
    posts::Post,
    state::News,
    votes::{self, Voted},
};
use crate::{
    auth::{request::extract::CurrentUser, user::User},
    http::{
        self, OneId, PathIds,
        problem_responses::{NotFound, NotLoggedIn},
    },
};

/// Vote for a post
///
/// A user's vote counts once, however often it is sent.
#[utoipa::path(put, path = "/posts/{id}/vote", tag = "news", params(OneId), security(("session" = [])),
    responses((status = 200, body = Post), NotLoggedIn, NotFound))]
pub(super) async fn vote(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(post): PathIds<OneId>,
) -> Result<Json<Post>, Error> {
    let voted = votes::cast(news.db(), post.id, user.id).await?;
    answer(&news, &user, &post, voted).await
}

/// Take a vote back
#[utoipa::path(delete, path = "/posts/{id}/vote", tag = "news", params(OneId), security(("session" = [])),
    responses((status = 200, body = Post), NotLoggedIn, NotFound))]
pub(super) async fn take_vote_back(
    State(news): State<News>,
    CurrentUser(user): CurrentUser,
    PathIds(post): PathIds<OneId>,
) -> Result<Json<Post>, Error> {
    let voted = votes::take_back(news.db(), post.id, user.id).await?;
    answer(&news, &user, &post, voted).await
}

async fn answer(news: &News, user: &User, post: &OneId, voted: Voted) -> Result<Json<Post>, Error> {
    match voted {
        Voted::Done => Ok(Json(read_back(news, user, post.id).await?)),
        Voted::NoPost => Err(http::Error::NotFound.into()),
    }
}
