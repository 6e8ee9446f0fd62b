//! What goes wrong in the news, beside what goes wrong anywhere.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use thiserror::Error as ThisError;
use utoipa::{IntoResponses, ToSchema};

use crate::http::{self, Problem, problem_response};

/// Why a request for the news fails.
#[derive(Debug, ThisError)]
pub(super) enum Error {
    /// 402: a visitor has opened as many different posts as are free.
    #[error("You have read what is free. Log in or sign up to read on.")]
    FreeReadsUsed {
        /// How many are free.
        limit: u32,
    },
    /// 403: another user wrote it.
    #[error("Somebody else wrote this.")]
    NotYours,
    #[error(transparent)]
    Http(#[from] http::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Http(error.into())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        match self {
            Self::FreeReadsUsed { limit } => {
                let status = StatusCode::PAYMENT_REQUIRED;
                let problem = Problem::new(status, "free_reads_used", detail);
                problem_response(status, &FreeReadsUsed { problem, limit })
            }
            Self::NotYours => {
                Problem::new(StatusCode::FORBIDDEN, "not_yours", detail).into_response()
            }
            Self::Http(error) => error.into_response(),
        }
    }
}

/// A problem that says how many posts are free.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank",
    "title": "Payment Required",
    "status": 402,
    "detail": "You have read what is free. Log in or sign up to read on.",
    "code": "free_reads_used",
    "limit": 3
}))]
pub(super) struct FreeReadsUsed {
    #[serde(flatten)]
    problem: Problem,
    /// How many different posts are free.
    limit: u32,
}

/// 403 for what another user wrote.
#[derive(IntoResponses)]
#[response(
    status = 403,
    description = "`not_yours`: somebody else wrote it",
    content_type = "application/problem+json",
    example = json!({
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": "Somebody else wrote this.",
        "code": "not_yours"
    })
)]
pub(super) struct NotYours(#[expect(dead_code, reason = "describes the response")] Problem);
