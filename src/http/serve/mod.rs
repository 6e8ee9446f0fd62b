//! The accept loop: connections bounded in number, and in the time they may take.

mod event_stream;
mod head_timer;
mod http_service;
mod open_files;
mod placed;
mod room;
mod shutdown;
mod unread;

pub use http_service::HttpService;
pub(crate) use open_files::max_event_streams;
pub use open_files::{TooFewOpenFiles, raise_open_files};
pub use shutdown::Shutdown;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

use self::{
    event_stream::until_stop,
    open_files::connection_limit,
    placed::Placed,
    room::{Place, Room},
    shutdown::{HANDSHAKES, LastOnes, MIN_LIMIT, Stopping},
    unread::Rest,
};

/// From the start of the wait for a request's head to its last byte; so an idle connection is
/// closed after as long. axum's own `serve` sets no limit.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client that does not read the response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A larger head gets 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves `app` until `stop` is ready, then finishes the requests in flight, and cuts off those
/// that take longer than ten seconds; with [`serve_until`] the limit is yours. A connection that waits
/// for its next request is kept for that long, too. The address of the client is in each request's
/// [`ConnectInfo`]. Raises the number of files that the process may have open as far as the system
/// lets it. WebSockets work; they are not waited for. Streams of server-sent events
/// (`text/event-stream`) end when the server stops.
pub async fn serve(listener: TcpListener, app: impl HttpService, stop: impl Future<Output = ()>) {
    let stop = async {
        stop.await;
        Shutdown::new()
    };
    serve_until(listener, app, stop).await;
}

/// As [`serve`]; what `stop` returns says how to stop.
pub async fn serve_until(
    listener: TcpListener,
    app: impl HttpService,
    stop: impl Future<Output = Shutdown>,
) {
    serve_in(Room::new(connection_limit()), listener, app, stop).await;
}

/// As [`serve`], with no more connections than these at a time, and an end at once.
#[cfg(feature = "server")]
pub(crate) async fn serve_few(
    listener: TcpListener,
    app: impl HttpService,
    stop: impl Future<Output = ()>,
    connections: usize,
) {
    let stop = async {
        stop.await;
        Shutdown::new().limit(Duration::ZERO)
    };
    let room = Room::new(connection_limit().min(connections));
    serve_in(room, listener, app, stop).await;
}

async fn serve_in(
    room: Room,
    listener: TcpListener,
    app: impl HttpService,
    stop: impl Future<Output = Shutdown>,
) {
    let (end, running) = watch::channel(());
    let mut server = Server {
        listener,
        app: Arc::new(app),
        room,
        accepted: None,
        stopping: Stopping::default(),
        running,
    };
    let shutdown = server.accept_until(stop).await;
    server.stopping.begin();
    server.accept_until(sleep(shutdown.notice)).await;
    let limit = shutdown.limit.max(MIN_LIMIT);
    // At the limit, whatever still runs is dropped.
    let _ = timeout(limit, async {
        // There may be no other process yet: new clients are served while old ones are waited for.
        let room = server.room.clone();
        let renewed = timeout(limit * 3 / 4, room.is_renewed());
        let _ = server.accept_until(renewed).await;
        server.finish(shutdown, &end).await;
    })
    .await;
    end.send_replace(());
}

struct Server<A> {
    listener: TcpListener,
    /// Shared, as a connection is kept smaller so.
    app: Arc<A>,
    room: Room,
    /// A connection for which there is no room yet.
    accepted: Option<(TcpStream, SocketAddr)>,
    stopping: Stopping,
    /// Held by every connection, which ends when this changes.
    running: watch::Receiver<()>,
}

impl<A: HttpService> Server<A> {
    /// Serves connections until `end` is ready.
    async fn accept_until<T>(&mut self, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        loop {
            tokio::select! {
                ended = &mut end => return ended,
                () = self.accept() => {}
            }
        }
    }

    /// Serves the next connection as soon as there is room for it. When this is dropped, the
    /// connection is kept for the next call.
    async fn accept(&mut self) {
        if self.accepted.is_none() {
            match self.listener.accept().await {
                Ok(accepted) => self.accepted = Some(accepted),
                Err(error) => return pause_after(&error).await,
            }
        }
        let place = self.room.place().await;
        if let Some((stream, peer)) = self.accepted.take() {
            self.spawn(stream, peer, place);
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        // Responses are short: nothing is gained by waiting to send several at once.
        let _ = stream.set_nodelay(true);
        let (app, stopping) = (self.app.clone(), self.stopping.clone());
        let timer = place.timer.clone();
        let head_timer = timer.clone();
        let service = service_fn(move |request| {
            timer.note_request();
            // Boxed, as hyper keeps the room for one with every connection, also for an open stream.
            Box::pin(respond(A::clone(&app), stopping.clone(), peer, request))
        });
        let connection = http1::Builder::new()
            .timer(head_timer)
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(io(stream, place), service)
            .with_upgrades();
        // Boxed, as the task would keep the room for it twice.
        let mut connection = Box::pin(connection);
        let mut running = self.running.clone();
        tokio::spawn(async move {
            // How a connection ends is the client's business.
            tokio::select! {
                _ = &mut connection => {}
                _ = running.changed() => {}
            }
        });
    }

    /// Closes the listener, and waits until every connection is closed.
    async fn finish(mut self, shutdown: Shutdown, end: &watch::Sender<()>) {
        if !shutdown.is_listener_inherited {
            match LastOnes::of(&self.listener) {
                Ok(last) => self.accept_last(&last).await,
                Err(error) => tracing::error!(%error, "waiting connections are not accepted"),
            }
        }
        drop(self);
        end.closed().await;
    }

    /// Serves the connections that are being established or wait.
    async fn accept_last(&mut self, last: &LastOnes) {
        self.accept_until(sleep(HANDSHAKES)).await;
        loop {
            if self.accepted.is_none() {
                match last.next() {
                    Ok(None) => return,
                    Ok(accepted) => self.accepted = accepted,
                    Err(error) => {
                        pause_after(&error).await;
                        continue;
                    }
                }
            }
            self.accept().await;
        }
    }
}

async fn pause_after(error: &io::Error) {
    if !is_of_the_client(error) {
        tracing::error!(%error, "a connection could not be accepted");
        sleep(PAUSE_AFTER_ERROR).await;
    }
}
/// Whether a connection was gone before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// A connection keeps its place when it becomes a WebSocket.
fn io(stream: TcpStream, place: Place) -> TokioIo<Placed> {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_TIMEOUT));
    TokioIo::new(Placed::new(stream, place))
}

async fn respond(
    app: impl HttpService,
    stopping: Stopping,
    peer: SocketAddr,
    mut request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    let (request, rest) = with_rest(request);
    let mut response = app.oneshot(request).await?;
    if let Some(rest) = rest {
        rest.read().await;
    }
    stopping.mark(&mut response);
    Ok(until_stop(response, &stopping))
}

/// A request, and what its handler may leave of its body. Most requests have no body.
fn with_rest(request: hyper::Request<Incoming>) -> (Request, Option<Rest>) {
    if request.body().is_end_stream() {
        return (request.map(Body::new), None);
    }
    let (head, body) = request.into_parts();
    let (body, rest) = Rest::of(body, &head.headers);
    (Request::from_parts(head, Body::new(body)), rest)
}
