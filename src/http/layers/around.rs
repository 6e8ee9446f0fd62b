//! Request ids, logs, limits and headers of every request and response, in one service.
//!
//! tower-http has a layer for most of it. Under one of each, with a line in the log for every
//! response, `GET /checklogin` kept 0.4 of bare axum's throughput; here it keeps 0.7. Each layer
//! boxes the future or the body, and clones what is below it.

use std::{
    any::Any,
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::HttpBody,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tokio::time::timeout;
use tower::{Layer, Service};
use tracing::{Instrument, Span};

use crate::http::{
    error::Error,
    host::names_host,
    request_id::{REQUEST_ID, as_request, at_once_as_request, new_request_id, without_span},
};

/// The largest request body, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// More than legitimate requests take, including the wait for a password hash, unless other work
/// keeps the cores busy.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Browsers neither guess the type of a response, nor frame it, nor send its address to other sites
/// (ASVS 3.4.3 to 3.4.8). A page brings a policy of its own.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
/// A year of https only (RFC 6797; ASVS 3.4.1).
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Gives each request an id and a span, refuses one that names no host, limits its body and its
/// time, catches its panic, and adds what every response has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AroundLayer {
    /// Whether responses carry HSTS.
    pub hsts: bool,
    pub time_limit: Option<Duration>,
    pub body_limit: usize,
}

impl<S> Layer<S> for AroundLayer {
    type Service = Around<S>;

    fn layer(&self, inner: S) -> Around<S> {
        Around {
            inner,
            options: *self,
        }
    }
}

/// The service that [`AroundLayer`] makes.
#[derive(Clone, Debug)]
pub(crate) struct Around<S> {
    inner: S,
    options: AroundLayer,
}

impl<S> Service<Request> for Around<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let start = Instant::now();
        let id = new_request_id();
        // A client does not choose what our logs call its request.
        request.headers_mut().remove(REQUEST_ID);
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(self.options.body_limit).apply(&mut request);
        }
        let span = request_span(&request, &id);
        let AroundLayer {
            hsts, time_limit, ..
        } = self.options;
        let of_task = id.clone();
        if !names_host(&request) {
            let response = Error::BadHost.into_response();
            let response = span.in_scope(|| finish(response, id, start, hsts));
            return Box::pin(ready(Ok(response)));
        }
        let response =
            span.in_scope(|| at_once_as_request(id.clone(), || Box::pin(self.inner.call(request))));
        let response = async move {
            let response = in_time(catch_panic(response), time_limit).await;
            Ok(finish(error_as_problem(response), id, start, hsts))
        };
        Box::pin(as_request(of_task, response.instrument(span)))
    }
}

/// Logs a response and gives it the headers that every one has.
fn finish(mut response: Response, id: HeaderValue, start: Instant, hsts: bool) -> Response {
    log(&response, &id, start);
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(value);
    }
    if hsts {
        let hsts = headers.entry(header::STRICT_TRANSPORT_SECURITY);
        hsts.or_insert(HSTS);
    }
    headers.insert(REQUEST_ID, id);
    response
}

/// The path alone: a query may hold what no log should. A span costs as much as the rest of a
/// request that only reads, so those have one at `debug`.
fn request_span(request: &Request, id: &HeaderValue) -> Span {
    let (request_id, path) = (id.to_str().ok(), request.uri().path());
    match request.method() {
        method if method.is_safe() => {
            tracing::debug_span!("request", request_id, %method, path)
        }
        method => tracing::info_span!("request", request_id, %method, path),
    }
}

/// Every response at `debug`, as a line for each costs more than most requests do; server errors
/// at `warn`.
fn log(response: &Response, id: &HeaderValue, start: Instant) {
    let status = response.status().as_u16();
    if response.status().is_server_error() {
        let latency_us = start.elapsed().as_micros();
        let request_id = without_span(|| id.to_str().ok());
        tracing::warn!(request_id, status, latency_us, "answered");
    } else {
        tracing::debug!(status, latency_us = start.elapsed().as_micros(), "answered");
    }
}

/// The response, or 504 when it does not come within the limit.
async fn in_time(response: impl Future<Output = Response>, limit: Option<Duration>) -> Response {
    // An await for each case would double the size of this future.
    let limit = limit.unwrap_or(Duration::MAX);
    timeout(limit, response).await.unwrap_or_else(|_| {
        tracing::warn!("took longer than {limit:?}");
        Error::Timeout.into_response()
    })
}

async fn catch_panic(response: impl Future<Output = Result<Response, Infallible>>) -> Response {
    let mut response = pin!(response);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| response.as_mut().poll(cx))) {
            Ok(poll) => poll.map(|Ok(response)| response),
            Err(panic) => Poll::Ready(panic_response(panic)),
        }
    })
    .await
}

fn panic_response(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(format!("panic: {}", message.unwrap_or_default())).into_response()
}

/// Gives a body to every error that has none; an app's own bodies pass untouched.
fn error_as_problem(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !is_empty(&response) {
        return response;
    }
    let error = match status {
        StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable(None),
        StatusCode::GATEWAY_TIMEOUT => Error::Timeout,
        StatusCode::FORBIDDEN => Error::Forbidden,
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

/// The response to a `HEAD` has no body, but the `Content-Length` of the `GET`.
fn is_empty(response: &Response) -> bool {
    let length = response.headers().get(header::CONTENT_LENGTH);
    response.body().is_end_stream() && length.is_none_or(|length| length == "0")
}
