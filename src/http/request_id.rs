//! The id of a request, as in the log and the response.

use std::cell::RefCell;

use axum::http::{HeaderName, HeaderValue};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tracing::Span;
use uuid::Uuid;

use crate::db;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The id of the request that this task handles.
    static REQUEST: HeaderValue;
}

thread_local! {
    /// Ids need to be unique, not secret: a generator for secrets is slower.
    static RANDOM: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// A random id.
pub(crate) fn new_request_id() -> HeaderValue {
    let bytes = RANDOM.with_borrow_mut(|random| random.random());
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let mut text = Uuid::encode_buffer();
    let id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
    // Hexadecimal digits and hyphens.
    id.unwrap_or(HeaderValue::from_static(""))
}

/// Runs `work` as part of the request `id`.
pub(crate) fn as_request<T>(
    id: HeaderValue,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    REQUEST.scope(id, db::as_request(work))
}

/// Runs `work`, which does not await, as part of the request `id`.
pub(crate) fn at_once_as_request<T>(id: HeaderValue, work: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(id, work)
}

/// The id of the current request.
pub(crate) fn current_request_id() -> Option<String> {
    let id = REQUEST.try_with(|id| id.to_str().map(str::to_owned));
    id.ok()?.ok()
}

/// The `id` to put on a line of the log: none where the line's span has it. A request that only
/// reads has no span.
pub(crate) fn without_span<T>(id: impl FnOnce() -> Option<T>) -> Option<T> {
    Span::current().is_disabled().then(id).flatten()
}
