//! The errors of the news, beside those of the library.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error as ThisError;
use utoipa::{IntoResponses, ToSchema};

use crate::http::{self, Problem, problem_response};

/// Why a request for the news fails.
#[derive(Debug, ThisError)]
pub(crate) enum Error {
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

impl Error {
    /// Each problem of the news with its code and schema, for the description of the API.
    pub fn examples() -> Vec<(String, Value)> {
        let used = FreeReadsUsed::new(3);
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
            Self::FreeReadsUsed { limit } => {
                problem_response(StatusCode::PAYMENT_REQUIRED, &FreeReadsUsed::new(limit))
            }
            Self::NotYours => Self::not_yours().into_response(),
            Self::Http(error) => error.into_response(),
        }
    }
}

/// A problem that says how many posts are free.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FreeReadsUsed {
    #[serde(flatten)]
    problem: Problem,
    /// How many different posts are free.
    limit: u32,
}

impl FreeReadsUsed {
    fn new(limit: u32) -> Self {
        let detail = Error::FreeReadsUsed { limit }.to_string();
        let problem = Problem::new(StatusCode::PAYMENT_REQUIRED, "free_reads_used", detail);
        Self { problem, limit }
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
