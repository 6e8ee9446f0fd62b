//! What stands around every route: request ids, logs, limits, the cross-site check.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    cors::CorsLayer,
    csrf::{ConfigError, CsrfLayer, ProtectionError},
};

use super::{Error, HttpService, around::AroundLayer, origin::Schemes};
use crate::config::Config;

/// Puts every layer around `router` as a whole, which answers faster than layers around each of
/// its routes; what comes out takes no more routes.
///
/// # Errors
/// When an origin cannot be one.
pub fn with_layers(
    router: Router,
    config: &Config,
) -> Result<impl HttpService + use<>, ConfigError> {
    let Config {
        allowed_origins, ..
    } = config;
    let hsts = config.is_production();
    let schemes = Schemes::new(config);
    let layers = ServiceBuilder::new()
        .layer(AroundLayer { hsts })
        .option_layer((!allowed_origins.is_empty()).then(|| cors(allowed_origins)))
        .map_request(move |request: Request| schemes.distrust_others(request))
        .layer(csrf(allowed_origins)?);
    let router = router
        .method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
        // Else each request makes its handler anew.
        .with_state(());
    Ok(layers.service(router))
}

/// Fetch Metadata, then Origin, whose scheme [`Schemes`] has compared: neither is sent by curl, which passes.
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
