//! How a server stops without cutting a request off.
//!
//! Closing a connection that waits for its next request can cross that request on its way. So,
//! from the stop on, every response says `Connection: close`, and the connections that have not
//! had one are waited for until the limit.

use std::{
    io,
    net::{self, SocketAddr},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// How long TCP handshakes may take to finish after new connections are refused.
pub(super) const HANDSHAKES: Duration = Duration::from_millis(200);
/// A stop takes no less, so that the listener can be closed as it should be.
pub(super) const MIN_LIMIT: Duration = Duration::from_millis(800);

/// How a server stops.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[must_use]
pub struct Shutdown {
    pub(super) notice: Duration,
    pub(super) limit: Duration,
    pub(super) is_listener_inherited: bool,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Accepts nothing more, ends streams of events at once, and gives the requests in flight ten
    /// seconds.
    pub fn new() -> Self {
        Self {
            notice: Duration::ZERO,
            limit: Duration::from_secs(10),
            is_listener_inherited: false,
        }
    }

    /// How long connections are still accepted, so that a load balancer can learn that the server
    /// stops. Responses end their connection meanwhile.
    pub fn notice(mut self, notice: Duration) -> Self {
        self.notice = notice;
        self
    }

    /// How long a client that does not finish, or asks for nothing more, may delay the end after
    /// that. For three quarters of it, as long as there are such clients, new ones are served.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Whether a service manager holds the listener, too, so that connections which are not
    /// accepted any more wait for the next process.
    pub fn listener_is_inherited(mut self, is_inherited: bool) -> Self {
        self.is_listener_inherited = is_inherited;
        self
    }
}

/// Whether the server stops. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopping(Arc<Stop>);

#[derive(Debug, Default)]
struct Stop {
    has_begun: AtomicBool,
    begun: Notify,
}

impl Stopping {
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::SeqCst);
        self.0.begun.notify_waiters();
    }

    /// Waits until the server stops.
    pub async fn begun(&self) {
        // Before the check, so that a stop from now on is heard.
        let begun = self.0.begun.notified();
        if !self.0.has_begun.load(Ordering::SeqCst) {
            begun.await;
        }
    }

    /// Makes a response the last on its connection, if the server stops.
    pub fn mark(&self, response: &mut Response) {
        let is_last = self.0.has_begun.load(Ordering::Relaxed);
        if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

/// The connections that are being established or wait when a listener is to be closed, which would
/// reset them.
#[derive(Debug)]
pub(super) struct LastOnes(net::TcpListener);

impl LastOnes {
    /// Drops the packets of new connections until this is dropped. A client that tries to connect now tries
    /// again after a second, when the listener is closed or another process has the port.
    pub fn of(listener: &TcpListener) -> io::Result<Self> {
        let listener = listener.as_fd().try_clone_to_owned()?;
        let last = Self(listener.into());
        drop_new_connections(&last.0);
        Ok(last)
    }

    /// One that waits, if any. tokio may not know of it yet.
    pub fn next(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match self.0.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                Ok(Some((TcpStream::from_std(stream)?, peer)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for LastOnes {
    /// Another process may go on with the same listener.
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = socket2::SockRef::from(&self.0).detach_filter() {
            tracing::debug!(%error, "a listener had no filter, or keeps it");
        }
    }
}

#[cfg(target_os = "linux")]
fn drop_new_connections(listener: &net::TcpListener) {
    use socket2::{SockFilter, SockRef};

    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_ANY_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS_OF_TCP: u32 = 13;
    const SYN: u32 = 0x02;

    let drop_syn = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS_OF_TCP),
        SockFilter::new(JUMP_IF_ANY_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&drop_syn) {
        tracing::debug!(%error, "connections at the last instant may be reset");
    }
}

#[cfg(not(target_os = "linux"))]
fn drop_new_connections(_listener: &net::TcpListener) {}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn another_process_goes_on_with_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _other = listener.as_fd().try_clone_to_owned().unwrap();
        drop(LastOnes::of(&listener).unwrap());
        drop(listener);
        let limit = Duration::from_secs(5);
        net::TcpStream::connect_timeout(&address, limit).unwrap();
    }

    #[tokio::test]
    async fn every_connection_that_waits_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // No more than any system lets wait.
        let waiting: Vec<_> = (0..100)
            .map(|_| net::TcpStream::connect(address).unwrap())
            .collect();
        let last = LastOnes::of(&listener).unwrap();
        let mut accepted = 0;
        while last.next().unwrap().is_some() {
            accepted += 1;
        }
        assert_eq!(accepted, waiting.len());
    }
}
