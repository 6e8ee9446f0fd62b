//! Around every route behind the gate.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderValue, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{request_session::RequestSession, state::Gate};
use crate::http::{Client, Error};

/// Gives the request its session, and the answer what became of it.
pub(super) async fn session_layer(
    State(gate): State<Gate>,
    request: Request,
    next: Next,
) -> Response {
    let (mut request, body) = request.into_parts();
    let session = RequestSession::new(gate, &request);
    request.extensions.insert(session.values());
    request.extensions.insert(session.clone());
    let mut response = next.run(Request::from_parts(request, body)).await;
    match session.finish(response.status()).await {
        Ok(Some(cookie)) => {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(None) => {}
        Err(error) => response = error.into_response(),
    }
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(no_store);
    response
}

/// The client of a request behind the gate.
#[derive(Debug)]
pub(super) struct GateClient(pub Client);

impl<S: Sync> FromRequestParts<S> for GateClient {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = RequestSession::from_request_parts(parts, state).await?;
        Ok(Self(Client::of(parts, session.gate().trusted_proxies())))
    }
}
