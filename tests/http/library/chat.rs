//! The example chat, whose WebSockets close when their session ends.

#[path = "../../../examples/chat.rs"]
#[allow(dead_code)]
mod example;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use handstamp::{
    auth::{AccountState, Application},
    http::Layers,
};
use serde_json::json;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, client::IntoClientRequest, handshake::client::Request,
        protocol::frame::coding::CloseCode,
    },
};

use crate::helpers::{Browser, Kind, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    a_websocket_closes_when_its_session_ends,
    visitors_get_no_websocket,
    pages_of_other_origins_get_no_websocket,
    a_client_that_reads_nothing_is_closed_with_its_session,
    a_message_has_a_limit,
);

type Socket = WebSocketStream<TcpStream>;

/// The app under our layers, whose time limit a WebSocket outlives.
async fn start(kind: Kind) -> Server {
    let app = |auth| {
        let layers = Layers::new().time_limit(Some(Duration::from_secs(5)));
        layers.wrap(example::app(&auth)).unwrap()
    };
    Server::start_app(kind, &[], app).await
}

async fn log_in(browser: &Browser, name: &str) {
    let body = json!({"username": name, "password": PASSWORD});
    assert_eq!(browser.post("/auth/login", body).await.status, 200);
}

fn request(server: &Server, browser: &Browser) -> Request {
    let url = format!("{}/chat", server.base.replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    let cookie = format!("session={}", browser.session().unwrap());
    request
        .headers_mut()
        .insert("cookie", cookie.parse().unwrap());
    request
}

async fn connect_with(server: &Server, request: Request) -> Result<Socket, Error> {
    let address = server.base.strip_prefix("http://").unwrap();
    let stream = TcpSocket::new_v4().unwrap();
    // Little room for what is not read.
    stream.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = stream.connect(address.parse().unwrap()).await.unwrap();
    let (socket, response) = client_async(request, stream).await?;
    assert_eq!(response.status(), 101);
    Ok(socket)
}

async fn connect(server: &Server, browser: &Browser) -> Socket {
    let request = request(server, browser);
    connect_with(server, request).await.unwrap()
}

async fn add(server: &Server, name: &str) -> Browser {
    let account = Application::new(name).password(Some(PASSWORD.to_owned()));
    server.accounts().add(account).await.unwrap();
    let browser = server.browser();
    log_in(&browser, name).await;
    browser
}

async fn next(socket: &mut Socket) -> Message {
    let message = timeout(Duration::from_secs(30), socket.next()).await;
    message.expect("nothing came").unwrap().unwrap()
}

async fn close_reason(socket: &mut Socket) -> String {
    match next(socket).await {
        Message::Close(Some(close)) => {
            assert_eq!(close.code, CloseCode::Policy);
            close.reason.to_string()
        }
        other => panic!("not closed: {other:?}"),
    }
}

async fn a_websocket_closes_when_its_session_ends(kind: Kind) {
    let server = start(kind).await;
    let (ann, ben) = (add(&server, "Ann").await, add(&server, "Ben").await);
    let mut anns = [connect(&server, &ann).await, connect(&server, &ann).await];
    let mut bens = connect(&server, &ben).await;
    anns[0].send(Message::text("hello")).await.unwrap();
    for socket in anns.iter_mut().chain([&mut bens]) {
        assert_eq!(next(socket).await.to_text().unwrap(), "Ann: hello");
    }

    ann.delete("/auth/logout").await;
    for socket in &mut anns {
        assert_eq!(close_reason(socket).await, "logged_out");
    }
    bens.send(Message::text("still here")).await.unwrap();
    assert_eq!(next(&mut bens).await.to_text().unwrap(), "Ben: still here");
    let user = find_user(server.accounts(), "Ben").await;
    let accounts = server.other_process().await;
    let disabled = accounts.set_state(&user, AccountState::Disabled);
    disabled.await.unwrap();
    assert_eq!(close_reason(&mut bens).await, "disabled");
}

async fn visitors_get_no_websocket(kind: Kind) {
    let server = start(kind).await;
    let refused = server.browser().get("/chat").await;
    assert_eq!(refused.reason(), "no_cookie");
}

/// `SameSite` keeps out neither a neighbouring subdomain nor another port.
async fn pages_of_other_origins_get_no_websocket(kind: Kind) {
    let server = start(kind).await;
    let ann = add(&server, "Ann").await;
    let port = server.base.rsplit_once(':').unwrap().1;
    let neighbour = format!("http://evil.localhost:{port}");
    let own = &*server.base;
    for (headers, status) in [
        (&[("origin", &*neighbour)][..], 403),
        (&[("origin", "http://127.0.0.1:1")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", &own.replace("http", "https"))], 403),
        (
            &[("origin", &neighbour), ("sec-fetch-site", "same-site")],
            403,
        ),
        (&[("origin", own)], 101),
        (&[("origin", own), ("sec-fetch-site", "same-origin")], 101),
        // No browser.
        (&[], 101),
    ] {
        let mut request = request(&server, &ann);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let answered = match connect_with(&server, request).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{headers:?}: {error}"),
        };
        assert_eq!(answered, status, "{headers:?}");
    }
}

/// Its socket would otherwise stay open until the server gives up writing.
async fn a_client_that_reads_nothing_is_closed_with_its_session(kind: Kind) {
    let server = start(kind).await;
    let (ann, ben) = (add(&server, "Ann").await, add(&server, "Ben").await);
    let mut anns = connect(&server, &ann).await;
    let (mut says, mut hears) = connect(&server, &ben).await.split();
    // More than the buffers between two sockets hold.
    let line = "x".repeat(3_000);
    for _ in 0..100 {
        for _ in 0..40 {
            says.send(Message::text(&line)).await.unwrap();
        }
        for _ in 0..40 {
            hears.next().await.unwrap().unwrap();
        }
    }
    ann.delete("/auth/logout").await;
    // A socket that is closed refuses what is sent to it.
    let sent = async { while anns.send(Message::Ping("".into())).await.is_ok() {} };
    timeout(Duration::from_secs(8), sent)
        .await
        .expect("the socket has outlived its session");
}

async fn a_message_has_a_limit(kind: Kind) {
    let server = start(kind).await;
    let ann = add(&server, "Ann").await;
    let mut socket = connect(&server, &ann).await;
    let line = "x".repeat(4 * 1024);
    socket.send(Message::text(&line)).await.unwrap();
    assert_eq!(next(&mut socket).await.len(), line.len() + 5);
    let _ = socket.send(Message::text(line + "x")).await;
    let next = timeout(Duration::from_secs(8), socket.next()).await;
    let next = next.expect("nothing came");
    assert!(!matches!(next, Some(Ok(Message::Text(_)))), "{next:?}");
}
