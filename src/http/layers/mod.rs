//! What stands around every route: request ids, logs, limits, the cross-site check.

mod around;
mod cross_site;

pub use around::BODY_LIMIT;
pub(crate) use cross_site::CrossSite;

use std::time::Duration;

use axum::{Router, http::StatusCode};
use ipnet::IpNet;
use tower::Layer;
use tower_http::csrf::ConfigError;

use self::around::{AroundLayer, REQUEST_TIMEOUT};
use super::{error::Error, serve::HttpService};

/// What an app does to every request and response: request ids and logs, limits of time
/// and size, security headers, the cross-site check, and problems (RFC 9457) for errors without
/// a body.
#[derive(Clone, Debug)]
#[must_use]
pub struct Layers {
    around: AroundLayer,
    allowed_origins: Vec<String>,
    trusted_proxies: Vec<IpNet>,
}

impl Default for Layers {
    fn default() -> Self {
        Self::new()
    }
}

impl Layers {
    /// Bodies up to 64 KiB, requests up to 10 seconds, no other origins, no HSTS.
    pub fn new() -> Self {
        Self {
            around: AroundLayer {
                hsts: false,
                time_limit: Some(REQUEST_TIMEOUT),
                body_limit: BODY_LIMIT,
            },
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }

    /// Proxies whose `X-Forwarded-Proto` says by which scheme a request came.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        self.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Whether the site is served over https: responses carry HSTS for a year (RFC 6797), and
    /// requests whose scheme no trusted proxy tells count as https.
    pub fn https(mut self, on: bool) -> Self {
        self.around.hsts = on;
        self
    }

    /// Other origins whose pages may call with cookies, as browsers write them:
    /// `https://app.example`.
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.allowed_origins = origins.into_iter().collect();
        self
    }

    /// How long a request may take until its response begins; past it, 504. None: no limit.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.around.time_limit = limit;
        self
    }

    /// The largest request body that extractors take, in bytes; past it, 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.around.body_limit = bytes;
        self
    }

    /// Puts every layer around `router` as a whole, which is faster than layers around each of
    /// its routes; no routes can be added afterwards.
    ///
    /// # Errors
    /// When an allowed origin is not one.
    pub fn wrap(self, router: Router) -> Result<impl HttpService + use<>, ConfigError> {
        let Self {
            around,
            allowed_origins,
            trusted_proxies,
        } = self;
        let cross_site = CrossSite::new(trusted_proxies, allowed_origins, around.hsts)?;
        let router = router
            .method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
            // Else each request makes its handler anew.
            .with_state(());
        Ok(around.layer(cross_site.around(router)))
    }
}
