//! What stands around every route: request ids, logs, limits, the cross-site check.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{map_request, map_response},
    response::{IntoResponse, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::CorsLayer,
    csrf::{ConfigError, CsrfLayer, ProtectionError},
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    set_header::SetResponseHeaderLayer,
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use tracing::Span;

use super::{Error, Problem};
use crate::config::Config;

/// The largest body anybody may send, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
/// The `http` crate has no names for these two.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Longer than any honest request takes, the wait for a password hash included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Puts every layer around `router`.
///
/// # Errors
/// When an origin cannot be one.
pub fn with_layers(router: Router, config: &Config) -> Result<Router, ConfigError> {
    let Config {
        allowed_origins, ..
    } = config;
    let layers = ServiceBuilder::new()
        // A client does not choose what our logs call its request.
        .layer(map_request(remove_request_id))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(request_span)
                .on_request(())
                .on_failure(())
                .on_response(log_response),
        )
        .layer(PropagateRequestIdLayer::x_request_id())
        .option_layer(config.is_production().then(hsts))
        .layer(map_response(security_headers))
        .layer(CatchPanicLayer::custom(panic_response))
        .layer(map_response(error_as_problem))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .option_layer((!allowed_origins.is_empty()).then(|| cors(allowed_origins)))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(csrf(allowed_origins)?);
    Ok(router
        .method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
        .layer(layers))
}

async fn remove_request_id(mut request: Request) -> Request {
    request.headers_mut().remove("x-request-id");
    request
}

/// The path alone: a query may hold what no log should.
fn request_span(request: &Request) -> Span {
    let id = request
        .extensions()
        .get::<RequestId>()
        .and_then(|id| id.header_value().to_str().ok());
    tracing::info_span!("request", id, method = %request.method(), path = request.uri().path())
}

fn log_response<B>(response: &axum::http::Response<B>, latency: Duration, _: &Span) {
    let status = response.status().as_u16();
    tracing::info!(status, latency_us = latency.as_micros(), "answered");
}

/// Gives a body to every error that a library answered with a bare status.
async fn error_as_problem(response: Response) -> Response {
    let status = response.status();
    let content_type = response.headers().get(header::CONTENT_TYPE);
    // Ours: a problem, or the page that says so to a person.
    let is_ours = content_type.is_some_and(|value| {
        value == Problem::MEDIA_TYPE || value.as_bytes().starts_with(b"text/html")
    });
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match status {
        StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Error::Internal,
        StatusCode::NOT_FOUND => Error::NotFound,
        _ => Error::Status(status),
    };
    let problem = error.into_response();
    let mut headers = response.headers().clone();
    headers.remove(header::CONTENT_LENGTH);
    for (name, value) in problem.headers() {
        headers.insert(name, value.clone());
    }
    (headers, problem).into_response()
}

fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("panic: {}", message.unwrap_or_default())).into_response()
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

/// What no answer does: be taken for another type, be framed, or say where it was clicked
/// (ASVS 3.4.3 to 3.4.8). A page brings a policy of its own.
async fn security_headers<B>(mut response: axum::http::Response<B>) -> axum::http::Response<B> {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
        (RESOURCE_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// A year of https only (RFC 6797; ASVS 3.4.1).
fn hsts() -> SetResponseHeaderLayer<HeaderValue> {
    let year = HeaderValue::from_static("max-age=31536000");
    SetResponseHeaderLayer::if_not_present(header::STRICT_TRANSPORT_SECURITY, year)
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
