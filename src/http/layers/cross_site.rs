//! Refuses requests from other sites' pages that may change something.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::{
    cors::CorsLayer,
    csrf::{ConfigError, CsrfLayer, ProtectionError, ProtectionErrorKind},
};

use crate::http::{
    error::Error,
    origin::{Schemes, is_to_be_checked},
    request_id::REQUEST_ID,
    serve::HttpService,
};

/// Marks a request that an outer layer has checked, which knows the origins that its app allows.
#[derive(Clone, Copy, Debug)]
struct Passed;

/// Marks a request for a WebSocket while it is checked.
#[derive(Clone, Copy, Debug)]
struct OpensWebSocket;

/// Which other sites' pages may call. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CrossSite {
    schemes: Schemes,
    /// Fetch Metadata, then Origin, whose scheme [`Schemes`] has compared. curl sends neither,
    /// and passes.
    csrf: CsrfLayer<fn(ProtectionError) -> Response>,
    cors: Option<CorsLayer>,
}

impl CrossSite {
    /// `is_https` is the scheme of requests where no proxy tells it.
    ///
    /// # Errors
    /// When an allowed origin is not one.
    pub fn new(
        trusted_proxies: impl Into<Arc<[IpNet]>>,
        allowed_origins: Vec<String>,
        is_https: bool,
    ) -> Result<Self, ConfigError> {
        let csrf = CsrfLayer::new().with_rejection_response(refuse as fn(_) -> _);
        let csrf = allowed_origins
            .iter()
            .try_fold(csrf, |layer, origin| layer.add_trusted_origin(origin))?;
        Ok(Self {
            csrf,
            cors: (!allowed_origins.is_empty()).then(|| cors(&allowed_origins)),
            schemes: Schemes::new(trusted_proxies.into(), allowed_origins, is_https),
        })
    }

    /// Checks every request to `app`, and marks it as checked.
    pub fn around(self, app: impl HttpService) -> impl HttpService {
        let schemes = self.schemes;
        ServiceBuilder::new()
            .option_layer(self.cors)
            .map_request(move |request: Request| check_websocket(schemes.distrust_others(request)))
            .layer(self.csrf)
            .map_request(note_passed)
            .service(app)
    }

    /// Checks the requests to `app` that no outer layer has checked.
    pub fn around_unchecked(self, app: impl HttpService) -> impl HttpService {
        let passed = app.clone();
        let checked = self.around(app);
        service_fn(move |request: Request| {
            let (passed, checked) = (passed.clone(), checked.clone());
            async move {
                if request.extensions().get::<Passed>().is_some() {
                    passed.oneshot(request).await
                } else {
                    checked.oneshot(request).await
                }
            }
        })
    }
}

impl std::fmt::Debug for CrossSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrossSite")
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}

/// Has the check, which lets every `GET` pass, take one for a WebSocket for a `POST`.
fn check_websocket(mut request: Request) -> Request {
    if request.method() == Method::GET && is_to_be_checked(&request) {
        request.extensions_mut().insert(OpensWebSocket);
        *request.method_mut() = Method::POST;
    }
    request
}

/// Marks a request that has passed the check.
fn note_passed(mut request: Request) -> Request {
    if request
        .extensions_mut()
        .remove::<OpensWebSocket>()
        .is_some()
    {
        *request.method_mut() = Method::GET;
    }
    if is_to_be_checked(&request) {
        request.extensions_mut().insert(Passed);
    }
    request
}

fn refuse(refused: ProtectionError) -> Response {
    match refused.kind() {
        // The browser does not say what the page is to us: a proxy may have changed the host.
        ProtectionErrorKind::CrossOriginRequestFromOldBrowser => Error::OtherOrigin,
        _ => Error::CrossSite,
    }
    .into_response()
}

fn cors(allowed_origins: &[String]) -> CorsLayer {
    let origins = allowed_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_credentials(true)
        .allow_headers([header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, REQUEST_ID])
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
}
