//! Addresses with a slash at their end.

use axum::extract::Request;
use tower::{Layer, ServiceBuilder};
use tower_http::normalize_path::NormalizePathLayer;

use super::HttpService;

/// Marks a request whose address had a slash at its end: a browser resolves links in its response from
/// one folder further down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrailingSlash;

/// Under it `/login/` is `/login`.
pub(crate) fn trim_trailing_slash<S: HttpService>(app: S) -> impl HttpService + use<S> {
    ServiceBuilder::new()
        .map_request(|mut request: Request| {
            let path = request.uri().path();
            if path.len() > 1 && path.ends_with('/') {
                request.extensions_mut().insert(TrailingSlash);
            }
            request
        })
        .service(NormalizePathLayer::trim_trailing_slash().layer(app))
}
