//! Binding a session to the device of its browser (Device Bound Session Credentials).

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use uuid::Uuid;

use crate::{
    auth::{
        request::{extract::RequestSession, unauthorized::Unauthorized},
        session::device::{Asked, Instructions, Refresh, unquoted},
    },
    http::{
        Error, Problem,
        problem_responses::{NotLoggedIn, TooManyAttempts},
    },
};

const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const SESSION_ID: HeaderName = HeaderName::from_static("sec-secure-session-id");
const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// Bind the session to the device of its browser
///
/// For browsers that support Device Bound Session Credentials, which send this by themselves: the response
/// to a login has named this address in `Secure-Session-Registration`.
#[utoipa::path(post, path = "/device/register", tag = "session", security(("session" = [])),
    params(("Secure-Session-Response" = String, Header,
        description = "A JWT with the challenge and the public key, signed with the private one")),
    responses(
        (status = 200, body = Instructions, description = "The session is bound",
            headers(("Set-Cookie", description = "The proof of the device"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_device_proof`"),
        NotLoggedIn,
    ),
)]
pub(super) async fn register_device(
    RequestSession { handle, client }: RequestSession,
    headers: HeaderMap,
) -> Result<Response, Error> {
    if handle.sessions().devices().is_none() {
        return Err(Error::NotFound);
    }
    let (session, _) = handle.logged_in().await?;
    let response = one(&headers, &RESPONSE)?.ok_or(Error::BadDeviceProof)?;
    let registered = handle
        .sessions()
        .register_device(&session, response, host(&headers), &client);
    let (instructions, proof) = registered.await?;
    Ok(kept(instructions, proof))
}

/// Renew the proof of the device
///
/// For browsers that support Device Bound Session Credentials, which send this by themselves before the proof
/// expires. The session is that of `Sec-Secure-Session-Id`; without a `Secure-Session-Response` there is a
/// challenge first.
#[utoipa::path(post, path = "/device/refresh", tag = "session", security((), ("session" = [])),
    params(
        ("Sec-Secure-Session-Id" = String, Header, description = "`session_identifier`"),
        ("Secure-Session-Response" = Option<String>, Header,
            description = "A JWT with the challenge, signed with the key of the device"),
    ),
    responses(
        (status = 200, body = Instructions, description = "There is a new proof; or there is none, and \
                `continue` is false: the browser is to forget the session, as it has logged in on another \
                one, or sessions are no longer bound",
            headers(("Set-Cookie", description = "The proof of the device"))),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_device_proof`"),
        NotLoggedIn,
        (status = 403, body = Problem, content_type = "application/problem+json",
            description = "`device_challenge`: to be answered first",
            headers(("Secure-Session-Challenge", description = "The challenge"))),
        TooManyAttempts,
    ),
)]
pub(super) async fn refresh_device(
    RequestSession { handle, client }: RequestSession,
    headers: HeaderMap,
) -> Result<Response, Error> {
    // A page cannot set a header of this name: the browser itself sends this.
    let id = one(&headers, &SESSION_ID)?.ok_or(Error::BadDeviceProof)?;
    let id = std::str::from_utf8(unquoted(id)).ok();
    let id: Uuid = id
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| handle.unknown_session())?;
    let asked = Asked {
        public_id: id,
        cookie: handle.lookup().token().and_then(|token| token.public_id),
        response: one(&headers, &RESPONSE)?,
        host: host(&headers),
        client: &client,
    };
    match handle.sessions().refresh_device(&asked).await? {
        Ok(Refresh::Proven(instructions, proof)) => Ok(kept(instructions, proof)),
        Ok(Refresh::Challenge(challenge)) => {
            let challenge = format!("\"{challenge}\";id=\"{id}\"");
            let challenge = HeaderValue::from_str(&challenge).map_err(Error::internal)?;
            let detail = "Sign the challenge with the key of the session's device.";
            let problem = Problem::new(StatusCode::FORBIDDEN, "device_challenge", detail);
            Ok((AppendHeaders([(CHALLENGE, challenge)]), problem).into_response())
        }
        Ok(Refresh::Forget(forgotten)) => Ok(Json(forgotten).into_response()),
        Err(reason) => Err(handle.not_logged_in(Unauthorized::Session(reason))),
    }
}

fn kept(instructions: Instructions, proof: HeaderValue) -> Response {
    let headers = AppendHeaders([(header::SET_COOKIE, proof)]);
    (headers, Json(instructions)).into_response()
}

/// The value of a header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, Error> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        _ => Err(Error::BadDeviceProof),
    }
}

fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}
