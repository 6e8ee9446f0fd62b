//! A guard for routes that some users may use and others not.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use tower::{Layer, Service};

use super::{
    SessionHandle,
    layer::{SessionLayer, WithSession},
};
use crate::{auth::user::User, http::Error};

/// The layer of [`Auth::require`](crate::Auth::require).
#[derive(Clone, Debug)]
pub struct RequireLayer<F> {
    session: SessionLayer,
    is_allowed: F,
}

impl<F> RequireLayer<F> {
    pub(crate) fn new(session: SessionLayer, is_allowed: F) -> Self {
        Self {
            session,
            is_allowed,
        }
    }
}

impl<S, F: Clone> Layer<S> for RequireLayer<F> {
    type Service = WithSession<Require<S, F>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.session.layer(Require {
            inner,
            is_allowed: self.is_allowed.clone(),
        })
    }
}

/// The service that [`RequireLayer`] makes, inside that of its session.
#[derive(Clone, Debug)]
pub struct Require<S, F> {
    inner: S,
    is_allowed: F,
}

impl<S, F> Service<Request> for Require<S, F>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    F: Fn(&User) -> bool + Clone + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that is ready is called; its clone may not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let is_allowed = self.is_allowed.clone();
        Box::pin(async move {
            let user = match SessionHandle::of(request.extensions()) {
                Ok(session) => session.user().await,
                Err(error) => Err(error),
            };
            match user {
                Ok((user, _)) if is_allowed(&user) => inner.call(request).await,
                Ok(_) => Ok(Error::Forbidden.into_response()),
                Err(error) => Ok(error.into_response()),
            }
        })
    }
}
