//! Bodies that a handler did not read.
//!
//! hyper closes a connection after a response when the rest of the request's body has not come yet.
//! A client that is still sending it, or sends its next request, would lose a response.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::{HeaderMap, header};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// As much is read of a body that nobody wants; the connection of a larger one is closed.
const MOST_BYTES: u64 = 256 * 1024;
const LONGEST: Duration = Duration::from_secs(1);

/// The body of a request, which goes back to its [`Rest`] when it is dropped before its end.
#[derive(Debug)]
pub(super) struct Returning {
    body: Option<Incoming>,
    rest: Rest,
}

/// What is left of a body. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Incoming>>>);

impl Rest {
    /// The body of a request, and its rest; none of a client that waits to be asked for the body.
    pub fn of(body: Incoming, headers: &HeaderMap) -> (Returning, Option<Self>) {
        let rest = Self::default();
        let returning = Returning {
            body: Some(body),
            rest: rest.clone(),
        };
        let is_wanted = !headers.contains_key(header::EXPECT);
        (returning, is_wanted.then_some(rest))
    }

    /// Reads what is left, within limits.
    pub async fn read(self) {
        let Some(mut body) = self.lock().take() else {
            return;
        };
        let read = async {
            let mut bytes = 0;
            while bytes <= MOST_BYTES {
                let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
                match frame {
                    Some(Ok(frame)) => {
                        bytes += frame.data_ref().map_or(0, |data| data.len() as u64)
                    }
                    Some(Err(_)) | None => return,
                }
            }
        };
        // What has not come by then is the client's loss.
        let _ = timeout(LONGEST, read).await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Returning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !body.is_end_stream()
        {
            *self.rest.lock() = Some(body);
        }
    }
}
