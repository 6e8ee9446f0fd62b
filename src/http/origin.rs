//! Compares the scheme of a page with that of its request.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header},
};
use ipnet::IpNet;

use super::client::told_https;

const FETCH_SITE: &str = "sec-fetch-site";
/// The `Origin` of a page without one, such as a sandboxed frame; the cross-site check refuses it.
const NO_ORIGIN: HeaderValue = HeaderValue::from_static("null");

/// What decides the schemes that are compared.
#[derive(Clone, Debug)]
pub(super) struct Schemes {
    trusted_proxies: Arc<[IpNet]>,
    allowed_origins: Arc<[String]>,
    /// The scheme of requests where no trusted proxy tells it: https in production, where the
    /// cookie is Secure, else http.
    is_https: bool,
}

impl Schemes {
    pub fn new(
        trusted_proxies: Arc<[IpNet]>,
        allowed_origins: Vec<String>,
        is_https: bool,
    ) -> Self {
        Self {
            trusted_proxies,
            allowed_origins: allowed_origins.into(),
            is_https,
        }
    }

    /// Makes the cross-site check, which compares hosts alone, refuse a page of another scheme:
    /// its `Origin` becomes `null`. Browsers that send Fetch Metadata have compared schemes
    /// themselves.
    pub fn distrust_others(&self, mut request: Request) -> Request {
        let has = |name: &str| {
            let value = request.headers().get(name);
            value.is_some_and(|value| !value.is_empty())
        };
        if !is_to_be_checked(&request) || has(FETCH_SITE) || !has("origin") {
            return request;
        }
        let told = told_https(
            request.headers(),
            request.extensions(),
            &self.trusted_proxies,
        );
        let is_https = told.unwrap_or(self.is_https);
        let is_other = self.is_of_other_scheme(request.headers(), is_https);
        if is_other {
            request.headers_mut().insert(header::ORIGIN, NO_ORIGIN);
        }
        request
    }

    fn is_of_other_scheme(&self, headers: &HeaderMap, is_https: bool) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return false;
        };
        let scheme: &[u8] = if is_https { b"https://" } else { b"http://" };
        !origin.as_bytes().starts_with(scheme)
            && !self.allowed_origins.iter().any(|allowed| allowed == origin)
    }
}

/// Whether a page of another origin may not send this request: it may change something, or opens a
/// WebSocket, which browsers let any page read.
pub(super) fn is_to_be_checked(request: &Request) -> bool {
    match *request.method() {
        Method::GET => opens_websocket(request.headers()),
        Method::HEAD | Method::OPTIONS => false,
        _ => true,
    }
}

/// Whether a `GET` asks for a WebSocket (RFC 6455, 4.1).
fn opens_websocket(headers: &HeaderMap) -> bool {
    let protocols = headers.get_all(header::UPGRADE).iter();
    protocols
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}
