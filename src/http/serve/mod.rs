//! The accept loop: connections bounded in number, and in the time they may take.

mod head_timer;
mod http_service;
mod open_files;
mod placed;
mod room;
mod shutdown;

pub use http_service::HttpService;
pub use open_files::{TooFewOpenFiles, raise_open_files};
pub use shutdown::Shutdown;

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{body::Body, extract::ConnectInfo, response::Response};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{interval, sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use self::{
    open_files::connection_limit,
    placed::Placed,
    room::{Place, Room},
    shutdown::{HANDSHAKES, IDLE_GRACE, Stopping, let_nobody_in},
};

/// From the start of the wait for a request's head to its last byte; so an idle connection is
/// closed after as long. axum's own `serve` sets no limit.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client that does not read the response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A larger head gets 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const IDLE_CHECKS: Duration = Duration::from_millis(25);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves `app` until `stop` is ready, then finishes the requests in flight. The address of
/// the client is in each request's [`ConnectInfo`]. Raises the number of files that the
/// process may have open as far as the system lets it. WebSockets work; they are not waited for.
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
    let (end, running) = watch::channel(());
    let server = Server {
        listener,
        app,
        room: Room::new(connection_limit()),
        stopping: Stopping::default(),
        running,
    };
    let shutdown = server.accept_until(stop).await;
    server.stopping.begin();
    server.accept_until(sleep(shutdown.notice)).await;
    // At the limit, whatever still runs is dropped.
    let _ = timeout(shutdown.limit, server.finish(shutdown, &end)).await;
    end.send_replace(());
}

struct Server<A> {
    listener: TcpListener,
    app: A,
    room: Room,
    stopping: Stopping,
    /// Held by every connection, which ends when this changes.
    running: watch::Receiver<()>,
}

impl<A: HttpService> Server<A> {
    /// Accepts connections until `end` is ready. One that was accepted is served in any case.
    async fn accept_until<T>(&self, end: impl Future<Output = T>) -> T {
        let mut end = pin!(end);
        loop {
            let accepted = tokio::select! {
                ended = &mut end => return ended,
                accepted = self.listener.accept() => accepted,
            };
            let welcome = self.welcome(accepted);
            let mut welcome = pin!(welcome);
            tokio::select! {
                () = &mut welcome => {}
                ended = &mut end => {
                    welcome.await;
                    return ended;
                }
            }
        }
    }

    /// Serves a connection as soon as there is room for it.
    async fn welcome(&self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                // Responses are short: nothing is gained by waiting to send several at once.
                let _ = stream.set_nodelay(true);
                self.spawn(stream, peer, self.room.place().await);
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }

    fn spawn(&self, stream: TcpStream, peer: SocketAddr, place: Place) {
        let (app, stopping) = (self.app.clone(), self.stopping.clone());
        let timer = place.timer.clone();
        let head_timer = timer.clone();
        let service = service_fn(move |request| {
            timer.note_request();
            respond(app.clone(), stopping.clone(), peer, request)
        });
        let connection = http1::Builder::new()
            .timer(head_timer)
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(io(stream, place), service)
            .with_upgrades();
        let mut running = self.running.clone();
        tokio::spawn(async move {
            // How a connection ends is the client's business.
            tokio::select! {
                _ = connection => {}
                _ = running.changed() => {}
            }
        });
    }

    /// Closes the listener, and waits until every connection is closed.
    async fn finish(self, shutdown: Shutdown, end: &watch::Sender<()>) {
        if !shutdown.is_listener_inherited {
            let_nobody_in(&self.listener);
            self.accept_until(sleep(HANDSHAKES)).await;
            while let Some(accepted) = self.listener.accept().now_or_never() {
                self.welcome(accepted).await;
            }
        }
        let Self {
            listener,
            room,
            running,
            ..
        } = self;
        drop((listener, running));
        let mut turns = interval(IDLE_CHECKS);
        loop {
            tokio::select! {
                () = end.closed() => return,
                _ = turns.tick() => room.close_idle(IDLE_GRACE),
            }
        }
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
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    TokioIo::new(Placed::new(stream, place))
}

async fn respond(
    app: impl HttpService,
    stopping: Stopping,
    peer: SocketAddr,
    mut request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    let mut response = app.oneshot(request.map(Body::new)).await?;
    stopping.mark(&mut response);
    Ok(response)
}
