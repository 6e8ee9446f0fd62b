//! The layer that gives each request its session.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use ipnet::IpNet;
use tower::{Layer, Service};

use super::SessionHandle;
use crate::auth::session::Sessions;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The layer of [`Auth::layer`](crate::Auth::layer): gives each request its session, and the
/// response the cookie that it calls for.
#[derive(Clone, Debug)]
pub struct SessionLayer {
    // A service of its own: `from_fn` would box and clone more than the rest of a request costs.
    pub(crate) sessions: Sessions,
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// Whether handlers may take a [`Session`](super::Session) to keep values in.
    pub(crate) with_values: bool,
}

impl<S> Layer<S> for SessionLayer {
    type Service = WithSession<S>;

    fn layer(&self, inner: S) -> WithSession<S> {
        WithSession {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct WithSession<S> {
    inner: S,
    layer: SessionLayer,
}

impl<S> Service<Request> for WithSession<S>
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
        if request.extensions().get::<SessionHandle>().is_some() {
            // Of the same layer further out.
            return Box::pin(self.inner.call(request));
        }
        let SessionLayer {
            sessions,
            trusted_proxies,
            ..
        } = &self.layer;
        let session = SessionHandle::new(sessions.clone(), trusted_proxies.clone(), &request);
        if self.layer.with_values {
            request.extensions_mut().insert(session.session());
        }
        request.extensions_mut().insert(session.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(mut answer) = answer.await;
            match session.finish(answer.status()).await {
                Ok(Some(cookie)) => {
                    answer.headers_mut().append(header::SET_COOKIE, cookie);
                }
                Ok(None) => {}
                Err(error) => answer = error.into_response(),
            }
            let headers = answer.headers_mut();
            headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            Ok(answer)
        })
    }
}
