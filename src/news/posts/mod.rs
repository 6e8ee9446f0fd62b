//! Posts: what they hold, reading and writing them.

pub(super) mod read;
pub(super) mod store;
pub(super) mod write;

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::Error,
    preview::{Preview, beginning},
    state::News,
};
use crate::{auth::user::User, clock::Timestamp, http};

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
    /// Whether the logged-in user has voted for it.
    pub voted: bool,
    pub created_at: Timestamp,
}

impl Post {
    /// What a visitor past the limit sees of it.
    pub fn into_preview(self) -> Preview {
        Preview {
            title: self.title,
            url: self.url,
            text: self.text.as_deref().map(beginning),
            author: self.author,
            comment_count: self.comment_count,
            vote_count: self.vote_count,
            created_at: self.created_at,
        }
    }
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

/// The post as `user` now sees it.
pub(super) async fn read_back(news: &News, user: &User, id: Uuid) -> Result<Post, Error> {
    store::find(news.db(), Some(user.id), id)
        .await?
        .ok_or(http::Error::NotFound.into())
}
