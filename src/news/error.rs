//! The errors of the news, beside those of the library.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error as ThisError;
use utoipa::{IntoResponses, ToSchema};

use super::preview::Preview;
use crate::{
    clock::Timestamp,
    http::{self, Problem, problem_response},
};

const FREE_READS_USED: &str = "You have read what is free. Log in or sign up to read on.";

/// Why a request for the news fails.
#[derive(Debug, ThisError)]
pub(crate) enum Error {
    /// 402: a visitor has opened as many different posts as are free.
    #[error("{FREE_READS_USED}")]
    FreeReadsUsed {
        /// How many are free.
        limit: u32,
        /// What is shown of this one.
        preview: Box<Preview>,
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

impl Error {
    /// Each problem of the news with its code and schema, for the description of the API.
    pub fn examples() -> Vec<(String, Value)> {
        let preview = Preview {
            title: "Sessions, signed".to_owned(),
            url: Some("https://example.com/sessions".to_owned()),
            text: Some("Why a cookie…".to_owned()),
            author: "Jackson".to_owned(),
            comment_count: 4,
            vote_count: 6,
            created_at: Timestamp::from_unix_micros(1_767_225_600_000_000),
        };
        let used = FreeReadsUsed::new(3, Box::new(preview));
        let not_yours = Self::not_yours();
        vec![
            (used.problem.code.clone(), json!(used)),
            (not_yours.code.clone(), json!(not_yours)),
        ]
    }

    fn not_yours() -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "not_yours",
            Self::NotYours.to_string(),
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::FreeReadsUsed { limit, preview } => {
                let used = FreeReadsUsed::new(limit, preview);
                problem_response(StatusCode::PAYMENT_REQUIRED, &used)
            }
            Self::NotYours => Self::not_yours().into_response(),
            Self::Http(error) => error.into_response(),
        }
    }
}

/// A problem that says how many posts are free, and shows the beginning of this one.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FreeReadsUsed {
    #[serde(flatten)]
    problem: Problem,
    /// How many different posts are free.
    limit: u32,
    preview: Box<Preview>,
}

impl FreeReadsUsed {
    fn new(limit: u32, preview: Box<Preview>) -> Self {
        let status = StatusCode::PAYMENT_REQUIRED;
        let problem = Problem::new(status, "free_reads_used", FREE_READS_USED.to_owned());
        Self {
            problem,
            limit,
            preview,
        }
    }
}

/// 403 for what another user wrote.
#[derive(IntoResponses)]
#[response(
    status = 403,
    description = "`not_yours`: somebody else wrote it",
    content_type = "application/problem+json"
)]
pub(super) struct NotYours(#[expect(dead_code, reason = "describes the response")] Problem);
