//! What the log and the answer call a request.

use axum::http::{HeaderName, HeaderValue};
use uuid::Uuid;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The id of the request that this task answers.
    static REQUEST: HeaderValue;
}

/// A random one.
pub(super) fn new_request_id() -> HeaderValue {
    let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
    let mut text = Uuid::encode_buffer();
    let id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
    // Hexadecimal digits and hyphens.
    id.unwrap_or(HeaderValue::from_static(""))
}

/// Does `work` as that of the request `id`.
pub(super) fn as_request<T>(
    id: HeaderValue,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    REQUEST.scope(id, work)
}

/// The id of the request under way, for a line in the logs.
pub(super) fn current_request_id() -> Option<String> {
    let id = REQUEST.try_with(|id| id.to_str().map(str::to_owned));
    id.ok()?.ok()
}
