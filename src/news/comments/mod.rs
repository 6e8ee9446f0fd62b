//! Comments: what they hold, writing and deleting them.

pub(super) mod routes;
pub(super) mod store;

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;

/// A comment as readers see it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(super) struct Comment {
    #[schema(value_type = String, example = "019a9c3e-8b20-7aa0-8d9e-3f0f6f6f6b11")]
    pub id: Uuid,
    /// Plain text as it was typed; never HTML.
    #[schema(example = "Because anybody can edit a cookie.")]
    pub text: String,
    /// The author's username.
    #[schema(example = "Lernantino")]
    pub author: String,
    pub created_at: Timestamp,
}
