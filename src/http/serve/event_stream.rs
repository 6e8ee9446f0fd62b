//! Streams of events end when the server stops: they would keep it until its limit.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, header},
    response::Response,
};
use futures_util::future::BoxFuture;
use hyper::body::{Frame, SizeHint};

use super::shutdown::Stopping;

const MEDIA_TYPE: &str = "text/event-stream";

/// A body that ends when the server stops.
struct UntilStop {
    body: Body,
    stop: BoxFuture<'static, ()>,
    /// Whether the body was polled. What it has to say at once is sent while the server stops, too:
    /// it tells the browser when to connect again.
    has_begun: bool,
}

/// Has a stream of server-sent events end when the server stops, and its connection with it: a
/// client that asks for more then takes a new one.
pub(super) fn until_stop(response: Response, stopping: &Stopping) -> Response {
    // Nearly every other response has a known length.
    if response.body().size_hint().exact().is_some() || !is_event_stream(&response) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let close = HeaderValue::from_static("close");
    head.headers.insert(header::CONNECTION, close);
    let stopping = stopping.clone();
    let body = UntilStop {
        body,
        stop: Box::pin(async move { stopping.begun().await }),
        has_begun: false,
    };
    Response::from_parts(head, Body::new(body))
}

fn is_event_stream(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    media_type.is_some_and(|media_type| media_type.as_bytes().starts_with(MEDIA_TYPE.as_bytes()))
}

impl HttpBody for UntilStop {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.has_begun {
            self.has_begun = true;
            let first = Pin::new(&mut self.body).poll_frame(cx);
            if first.is_ready() {
                return first;
            }
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    fn events() -> Response {
        let events = stream::iter([Ok::<_, Infallible>("data: 1\n\n"), Ok("data: 2\n\n")]);
        let body = Body::from_stream(events.chain(stream::pending()));
        let mut response = Response::new(body);
        let media_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        response
    }

    #[tokio::test]
    async fn a_stream_ends_at_the_stop_and_not_before() {
        let stopping = Stopping::default();
        let response = until_stop(events(), &stopping);
        assert_eq!(response.headers()[header::CONNECTION], "close");
        let mut body = response.into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "data: 1\n\n");
        assert_eq!(body.next().await.unwrap().unwrap(), "data: 2\n\n");
        assert!(body.next().now_or_never().is_none());
        let next = tokio::spawn(async move { body.next().await.is_none() });
        tokio::task::yield_now().await;
        stopping.begin();
        assert!(next.await.unwrap());
    }

    #[tokio::test]
    async fn one_that_begins_during_the_stop_says_the_first_thing() {
        let stopping = Stopping::default();
        stopping.begin();
        let body = until_stop(events(), &stopping).into_body();
        let frames: Vec<_> = body.into_data_stream().collect().await;
        assert_eq!(frames.len(), 1);
    }

    #[tokio::test]
    async fn one_that_always_has_more_to_say_ends_too() {
        let stopping = Stopping::default();
        let endless = stream::repeat_with(|| Ok::<_, Infallible>("data: 1\n\n"));
        let mut response = events();
        *response.body_mut() = Body::from_stream(endless);
        let mut body = until_stop(response, &stopping)
            .into_body()
            .into_data_stream();
        assert!(body.next().await.is_some());
        assert!(body.next().await.is_some());
        stopping.begin();
        assert!(body.next().await.is_none());
    }

    #[test]
    fn other_responses_pass_untouched() {
        let stopping = Stopping::default();
        let mut response = events();
        response.headers_mut().remove(header::CONTENT_TYPE);
        let response = until_stop(response, &stopping);
        assert!(response.headers().is_empty());
    }
}
