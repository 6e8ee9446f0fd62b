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
use crate::auth::{account::hooks::Hooks, session::Sessions};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The layer of [`Auth::layer`](crate::Auth::layer): gives each request its session, and the
/// response the cookie that it calls for.
#[derive(Clone, Debug)]
pub struct SessionLayer(Arc<Options>);

/// What the handles of all requests share.
#[derive(Debug)]
pub(crate) struct Options {
    pub sessions: Sessions,
    pub trusted_proxies: Arc<[IpNet]>,
    pub hooks: Hooks,
    /// Whether handlers may take a [`Session`](super::Session) to keep values in.
    pub with_values: bool,
    /// Whether it is around the router of [`Auth`](crate::Auth).
    pub is_router: bool,
    /// Where an app has nested that router, if it says so.
    pub mounted_at: Option<Arc<str>>,
}

impl SessionLayer {
    // A service of its own: `from_fn` would box and clone more than the rest of a request costs.
    pub(crate) fn new(options: Options) -> Self {
        Self(Arc::new(options))
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = WithSession<S>;

    fn layer(&self, inner: S) -> WithSession<S> {
        WithSession {
            inner,
            options: self.0.clone(),
        }
    }
}

/// The service that [`SessionLayer`] makes.
#[derive(Clone, Debug)]
pub struct WithSession<S> {
    inner: S,
    options: Arc<Options>,
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
        if let Some(session) = request.extensions().get::<SessionHandle>() {
            // Of the same layer further out.
            if self.options.is_router {
                session.enter_router(&request);
            }
            return Box::pin(self.inner.call(request));
        }
        let session = SessionHandle::new(self.options.clone(), &request);
        if self.options.is_router {
            session.enter_router(&request);
        }
        if self.options.with_values {
            request.extensions_mut().insert(session.session());
        }
        request.extensions_mut().insert(session.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let Ok(mut response) = response.await;
            match session.finish(response.status()).await {
                Ok(headers) => {
                    for (name, value) in headers {
                        response.headers_mut().append(name, value);
                    }
                }
                Err(error) => response = error.into_response(),
            }
            let headers = response.headers_mut();
            headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
            Ok(response)
        })
    }
}
