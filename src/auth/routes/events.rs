//! What becomes of the caller's session, as it happens.

use std::{ops::Range, time::Duration};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{StreamExt, future};

use crate::{
    auth::{
        request::{SessionHandle, unauthorized::Unauthorized},
        session::events::{EndReason, SessionEvent},
    },
    http::{
        Error, Problem,
        problem_responses::{NotLoggedIn, StreamsBusy},
    },
};

/// A proxy may close a connection on which nothing comes for longer, and a client that is gone is
/// noticed by a write.
const COMMENT_INTERVAL: Duration = Duration::from_secs(15);
/// After how many milliseconds an `EventSource` connects again, so that those of a server that
/// restarts do not come all at once.
const RETRY_MILLIS: Range<u64> = 500..2_000;
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // nginx passes each event on at once then, whatever its configuration says.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// What becomes of the caller's session
///
/// Server-sent events named `session`, for an `EventSource`: `{"state":"active"}` at once,
/// `{"state":"changed"}` when the user's own data have changed, and at last
/// `{"state":"ended","reason":…}` with `logged_out`, `revoked`, `password_changed`, `disabled`,
/// `deleted` or `expired`. A comment comes at least every 20 seconds. An open stream is no use of
/// the session: the idle timeout runs on.
#[utoipa::path(get, path = "/session/events", tag = "session", security(("session" = [])),
    responses(
        (status = 200, body = String, content_type = "text/event-stream",
            description = "The stream"),
        (status = 204, description = "The session of the cookie has ended or expired, which an \
            `EventSource` takes as an order to stop"),
        NotLoggedIn,
        (status = 429, body = Problem, content_type = "application/problem+json",
            description = "`too_many_streams`: the session has eight open",
            headers(("Retry-After" = i64, description = "Seconds to wait"))),
        StreamsBusy,
    ),
)]
pub(super) async fn session_events(session: SessionHandle) -> Result<Response, Error> {
    let events = match session.follow().await? {
        Ok(events) => events,
        Err(Unauthorized::Session(_)) => return Ok(StatusCode::NO_CONTENT.into_response()),
        Err(reason) => return Err(session.not_logged_in(reason)),
    };
    let place = session
        .sessions()
        .event_streams()
        .take(events.session_id())?;
    // Without a proof of its device the stream ends without an event, as the session has not: an
    // `EventSource` connects again, and its browser proves the device first.
    let events = events.take_while(|event| {
        future::ready(*event != SessionEvent::Ended(EndReason::DeviceProofMissing))
    });
    // The place is given back with the stream.
    let events = events.map(move |event| {
        let _place = &place;
        as_sse(event)
    });
    let keep_alive = KeepAlive::new().interval(COMMENT_INTERVAL);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

fn as_sse(event: SessionEvent) -> Result<Event, axum::Error> {
    let sent = Event::default().event("session").json_data(event)?;
    Ok(match event {
        SessionEvent::Active => {
            let retry = rand::random_range(RETRY_MILLIS);
            sent.retry(Duration::from_millis(retry))
        }
        _ => sent,
    })
}
