//! The accept loop: connections bounded in number, and in the time they may take.

mod head_timer;
mod http_service;
mod open_files;
mod placed;
mod room;

pub use http_service::HttpService;
pub use open_files::{TooFewOpenFiles, raise_open_files};

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, time::Duration};

use axum::{body::Body, extract::ConnectInfo, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use self::{
    open_files::connection_limit,
    placed::Placed,
    room::{Place, Room},
};

/// From the start of the wait for a request's head to its last byte; so an idle connection is
/// closed after as long. axum's own `serve` sets no limit.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// For a client that does not read the response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A larger head gets 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Serves `app` until `stop` is ready, then finishes the requests in flight. The address of
/// the client is in each request's [`ConnectInfo`]. Raises the number of files that the
/// process may have open as far as the system lets it. WebSockets work; they are not waited for.
pub async fn serve(listener: TcpListener, app: impl HttpService, stop: impl Future<Output = ()>) {
    serve_few(listener, app, stop, usize::MAX).await;
}

/// As [`serve`], with no more connections than these at a time.
pub async fn serve_few(
    listener: TcpListener,
    app: impl HttpService,
    stop: impl Future<Output = ()>,
    connections: usize,
) {
    let room = Room::new(connection_limit().min(connections));
    let (stopping, running) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let (place, stream, peer) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &room) => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_the_client(&error) => continue,
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    continue;
                }
            },
        };
        let app = app.clone();
        let timer = place.timer.clone();
        let head_timer = timer.clone();
        let service = service_fn(move |request| {
            timer.note_request();
            respond(app.clone(), peer, request)
        });
        let connection = http1::Builder::new()
            .timer(head_timer)
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES)
            .serve_connection(io(stream, place), service)
            .with_upgrades();
        let mut running = running.clone();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // How a connection ends is the client's business.
            tokio::select! {
                _ = connection.as_mut() => {}
                _ = running.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop((listener, running));
    stopping.send_replace(());
    stopping.closed().await;
}

async fn accept(listener: &TcpListener, room: &Room) -> io::Result<(Place, TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Responses are short: nothing is gained by waiting to send several at once.
    let _ = stream.set_nodelay(true);
    Ok((room.place().await, stream, peer))
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
    peer: SocketAddr,
    mut request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    app.oneshot(request.map(Body::new)).await
}
