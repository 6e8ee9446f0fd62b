//! What answers requests.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use tower::Service;

/// A service as axum's router is one: it answers every request, on any thread, and each request
/// has a clone of its own.
pub trait HttpService:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HttpService for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}
