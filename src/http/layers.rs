//! What stands around every route: request ids, logs, limits, the cross-site check.

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    cors::CorsLayer,
    csrf::{ConfigError, CsrfLayer, ProtectionError},
};

use super::{Error, HttpService, around::AroundLayer};
use crate::config::Config;

/// Puts every layer around each route of `router`.
///
/// # Errors
/// When an origin cannot be one.
pub fn with_layers(router: Router, config: &Config) -> Result<Router, ConfigError> {
    let layers = layers(config)?;
    // Without a state, each request would make its handler anew.
    Ok(with_fallbacks(router).layer(layers).with_state(()))
}

/// Puts every layer around `router` as a whole: what comes out can have no more routes, and
/// answers faster.
///
/// # Errors
/// When an origin cannot be one.
pub fn within_layers(
    router: Router,
    config: &Config,
) -> Result<impl HttpService + use<>, ConfigError> {
    Ok(layers(config)?.layer(with_fallbacks(router).with_state(())))
}

fn with_fallbacks(router: Router) -> Router {
    router.method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
}

fn layers<S: HttpService>(
    config: &Config,
) -> Result<impl Layer<S, Service = impl HttpService + use<S>> + Clone + use<S>, ConfigError> {
    let Config {
        allowed_origins, ..
    } = config;
    let hsts = config.is_production();
    Ok(ServiceBuilder::new()
        .layer(AroundLayer { hsts })
        .option_layer((!allowed_origins.is_empty()).then(|| cors(allowed_origins)))
        .layer(csrf(allowed_origins)?))
}

/// Fetch Metadata, then Origin: neither is sent by curl, which passes.
fn csrf(
    allowed_origins: &[String],
) -> Result<CsrfLayer<impl Fn(ProtectionError) -> Response + Clone + use<>>, ConfigError> {
    let layer = CsrfLayer::new().with_rejection_response(|_| Error::CrossSite.into_response());
    allowed_origins
        .iter()
        .try_fold(layer, |layer, origin| layer.add_trusted_origin(origin))
}

fn cors(allowed_origins: &[String]) -> CorsLayer {
    let origins = allowed_origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_credentials(true)
        .allow_headers([header::CONTENT_TYPE])
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
}
