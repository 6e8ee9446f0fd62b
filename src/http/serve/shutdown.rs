//! How a server stops without cutting a request off.
//!
//! Closing a connection that waits for its next request can cross that request on its way. So,
//! from the stop on, every response says `Connection: close`, and the connections that have not
//! had one are closed after they have been idle for a while.

use std::{
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
use tokio::net::TcpListener;

/// How long a connection may still be idle once the listener is closed: longer than a request
/// takes from a client, even if a packet of it is lost.
pub(super) const IDLE_GRACE: Duration = Duration::from_secs(1);
/// How long connections may take to be established once no new ones are let in.
pub(super) const HANDSHAKES: Duration = Duration::from_millis(200);

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
    /// Accepts nothing more, and gives the requests in flight ten seconds.
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

    /// How long a client that does not finish may delay the end after that.
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
pub(super) struct Stopping(Arc<AtomicBool>);

impl Stopping {
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Makes a response the last on its connection, if the server stops.
    pub fn mark(&self, response: &mut Response) {
        let is_last = self.0.load(Ordering::Relaxed);
        if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
    }
}

/// Lets no new connection in, while those that are being established still are: closing the
/// listener would reset them. A client that tries to connect now tries again after a second, when
/// the listener is closed or another process has the port.
#[cfg(target_os = "linux")]
pub(super) fn let_nobody_in(listener: &TcpListener) {
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
pub(super) fn let_nobody_in(_listener: &TcpListener) {}
