//! The service that handles requests.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use tower::Service;

/// A service like axum's router: infallible, cloned for each request, and usable on any thread.
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
