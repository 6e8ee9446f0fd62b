//! A chat over WebSockets, each of which closes when its session ends: by a logout in another tab,
//! from another device, by an operator.
//! Run it with `SECRET_KEY=$(cargo run -q -- secret) cargo run --example chat`.

use std::time::Duration;

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::{Html, Response},
    routing::get,
};
use handstamp::{
    Auth, CurrentUser, Db,
    auth::{Secret, SessionEvents},
    http::{Layers, serve},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

/// What is said goes to everybody.
type Room = broadcast::Sender<String>;

/// The room keeps the last lines for its slowest client: 64 of them take no more than 256 KiB.
const LINES: usize = 64;
const MAX_LINE: usize = 4 * 1024;
/// How long a client may take to read that it is disconnected.
const FAREWELL: Duration = Duration::from_secs(1);

/// Visitors get a 401 with the reason.
async fn chat(
    State(room): State<Room>,
    CurrentUser(user): CurrentUser,
    mut session: SessionEvents,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Before the client learns that it is connected, so that it misses nothing from then on.
    let mut said = room.subscribe();
    let upgrade = upgrade.max_message_size(MAX_LINE).max_frame_size(MAX_LINE);
    upgrade.on_upgrade(async move |mut socket| {
        // The end comes first, and also while a line is sent to a client that does not read.
        let reason = tokio::select! {
            biased;
            reason = session.ended() => reason,
            () = talk(&mut socket, &room, &mut said, &user.username) => return,
        };
        let close = Message::Close(Some(CloseFrame {
            code: close_code::POLICY,
            reason: reason.as_str().into(),
        }));
        let _ = timeout(FAREWELL, socket.send(close)).await;
    })
}

async fn talk(
    socket: &mut WebSocket,
    room: &Room,
    said: &mut broadcast::Receiver<String>,
    name: &str,
) {
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => drop(room.send(format!("{name}: {text}"))),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            line = said.recv() => match line {
                Ok(line) => {
                    if socket.send(line.into()).await.is_err() {
                        return;
                    }
                }
                // This client was too slow for some lines.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// The chat, and the routes of handstamp.
pub fn app(auth: &Auth) -> Router {
    Router::new()
        .route("/", get(Html(include_str!("chat.html"))))
        .route("/chat", get(chat))
        .layer(auth.layer())
        .with_state(Room::new(LINES))
        .nest("/auth", auth.router())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the example says where it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Db::connect(&"sqlite://chat.db".parse()?).await?;
    db.migrate().await?;
    let auth = Auth::builder(db)
        .secret_key(Secret::signing_key(&std::env::var("SECRET_KEY")?)?)
        .secure_cookies(false) // plain http, for development only
        .build()?;
    let app = Layers::new().wrap(app(&auth))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, std::future::pending()).await;
    Ok(())
}
