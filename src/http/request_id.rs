//! What the log and the answer call a request.

use std::cell::RefCell;

use axum::http::{HeaderName, HeaderValue};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tracing::Span;
use uuid::Uuid;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The id of the request that this task answers.
    static REQUEST: HeaderValue;
}

thread_local! {
    /// Ids are to differ, not to be secret: a generator for secrets takes longer.
    static RANDOM: RefCell<SmallRng> = RefCell::new(SmallRng::from_rng(&mut rand::rng()));
}

/// A random one.
pub(crate) fn new_request_id() -> HeaderValue {
    let bytes = RANDOM.with_borrow_mut(|random| random.random());
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
    let mut text = Uuid::encode_buffer();
    let id = HeaderValue::from_str(id.hyphenated().encode_lower(&mut text));
    // Hexadecimal digits and hyphens.
    id.unwrap_or(HeaderValue::from_static(""))
}

/// Does `work` as that of the request `id`.
pub(crate) fn as_request<T>(
    id: HeaderValue,
    work: impl Future<Output = T>,
) -> impl Future<Output = T> {
    REQUEST.scope(id, work)
}

/// Does what is done at once as that of the request `id`.
pub(crate) fn at_once_as_request<T>(id: HeaderValue, work: impl FnOnce() -> T) -> T {
    REQUEST.sync_scope(id, work)
}

/// The id of the request under way.
pub(crate) fn current_request_id() -> Option<String> {
    let id = REQUEST.try_with(|id| id.to_str().map(str::to_owned));
    id.ok()?.ok()
}

/// The `id` that a line of the log has to carry: none where its span does. A request that only
/// reads has no span.
pub(crate) fn without_span<T>(id: impl FnOnce() -> Option<T>) -> Option<T> {
    Span::current().is_disabled().then(id).flatten()
}
