//! An error as a client sees it.

use std::collections::BTreeMap;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with each field of a body.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// An error as a client sees it (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "detail": "No `session` cookie came with the request.",
    "code": "not_logged_in",
    "reason": "no_cookie"
}))]
#[non_exhaustive]
pub struct Problem {
    /// Always `about:blank`: `code` tells errors apart.
    pub r#type: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status again.
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// What happened, for a program: a word that stays the same between versions.
    pub code: String,
    /// With `not_logged_in`: what is wrong with the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'static str>,
    /// With `reauthentication_required`: how the user can prove who they are, `password` or `passkey`;
    /// either is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<String>)]
    pub methods: Option<Vec<&'static str>>,
    /// With `invalid`: what is wrong with each field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub errors: Option<FieldErrors>,
}

impl Problem {
    /// A problem with this status and code; `detail` says what happened, for a person.
    pub fn new(status: StatusCode, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: title(status),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.into(),
            reason: None,
            methods: None,
            errors: None,
        }
    }

    /// The media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        problem_response(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &self)
    }
}

/// A response whose body is a problem, possibly with further members (RFC 9457, 3.2).
pub fn problem_response(status: StatusCode, problem: &impl Serialize) -> Response {
    let headers = [
        (header::CONTENT_TYPE, Problem::MEDIA_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let body = serde_json::to_vec(problem).unwrap_or_default();
    (status, headers, body).into_response()
}

/// The status in words.
pub(super) fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
