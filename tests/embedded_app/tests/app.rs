//! The app on both databases, its migrations before and after the library's, started twice.

use std::time::Duration;

use embedded_app::{App, Pool, auth, router};
use futures_util::{SinkExt, StreamExt};
use handstamp::{
    Auth, Db,
    auth::Secret,
    http::{Layers, serve},
};
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

#[derive(Clone, Copy, PartialEq)]
enum First {
    App,
    Library,
}

#[derive(Clone, Copy)]
enum Serve {
    /// `axum::serve`, nothing around it.
    Plain,
    Ours,
}

#[tokio::test]
async fn sqlite_app_first() {
    on_sqlite(First::App).await;
}

#[tokio::test]
async fn sqlite_library_first() {
    on_sqlite(First::Library).await;
}

#[tokio::test]
async fn postgres_app_first() {
    on_postgres("embedded_app_first", First::App).await;
}

#[tokio::test]
async fn postgres_library_first() {
    on_postgres("embedded_library_first", First::Library).await;
}

#[tokio::test]
async fn what_the_own_pool_writes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/app.db", folder.path().display());
    let base = start(&url, First::App, Serve::Plain).await;
    let browser = browser();
    assert_eq!(sign_up(&browser, &base, "Ann").await.status(), 201);
    let Pool::Sqlite(pool) = Pool::connect(&url).await.unwrap() else {
        panic!("another database");
    };
    sqlx::query("delete from users")
        .execute(&pool)
        .await
        .unwrap();
    for _ in 0..500 {
        let me = browser.get(format!("{base}/api/me")).send().await.unwrap();
        if me.status() == 401 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still logged in");
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap();
    let refused = Db::from_sqlite(&pool).await.unwrap_err();
    assert!(refused.to_string().contains("in memory"), "{refused}");
}

#[tokio::test]
async fn a_missing_key_prints_readably() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/app.db", folder.path().display());
    let db = Db::connect(&url.parse().unwrap()).await.unwrap();
    assert!(db.sqlite_pool().is_some() && db.postgres_pool().is_none());
    let refused = Auth::builder(db).build().unwrap_err();
    // As `main` prints it.
    assert!(
        format!("{refused:?}").starts_with("the secret key is not set"),
        "{refused:?}"
    );
    let refused = Secret::signing_key("short").unwrap_err();
    assert!(
        format!("{refused:?}").starts_with("the secret key must be at least"),
        "{refused:?}"
    );
}

async fn on_sqlite(first: First) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/app.db", folder.path().display());
    started_twice(&url, first).await;
}

async fn on_postgres(name: &str, first: First) {
    let server = std::env::var("TEST_POSTGRES_URL").expect("scripts/test sets TEST_POSTGRES_URL");
    let pool = sqlx::PgPool::connect(&server).await.unwrap();
    let create = format!("create database {name}");
    sqlx::query(&create).execute(&pool).await.unwrap();
    started_twice(&server.replace("/postgres?", &format!("/{name}?")), first).await;
}

async fn started_twice(url: &str, first: First) {
    let base = start(url, first, Serve::Plain).await;
    walk(&base, "Ann").await;
    let base = start(url, first, Serve::Ours).await;
    walk(&base, "Ben").await;
    refuses_what_it_must(&base).await;
}

async fn start(url: &str, first: First, how: Serve) -> String {
    let pool = Pool::connect(url).await.unwrap();
    let db = pool.handstamp().await.unwrap();
    if first == First::App {
        pool.migrate().await.unwrap();
    }
    db.migrate().await.unwrap();
    if first == First::Library {
        pool.migrate().await.unwrap();
    }
    let app = App {
        auth: auth(db).build().unwrap(),
        pool,
    };
    let router = router(&app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    match how {
        Serve::Plain => {
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        Serve::Ours => {
            // Shorter than the WebSocket lives.
            let layers = Layers::new().time_limit(Some(Duration::from_millis(1500)));
            let app = layers.wrap(router).unwrap();
            tokio::spawn(serve(listener, app, std::future::pending()));
        }
    }
    base
}

fn browser() -> Client {
    Client::builder().cookie_store(true).build().unwrap()
}

async fn post(browser: &Client, url: String, body: Value) -> Response {
    browser.post(url).json(&body).send().await.unwrap()
}

async fn sign_up(browser: &Client, base: &str, name: &str) -> Response {
    let new = json!({
        "username": name,
        "email": format!("{name}@example.com"),
        "password": "plain tea at dawn",
    });
    post(browser, format!("{base}/api/auth/signup"), new).await
}

async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}

async fn walk(base: &str, name: &str) {
    let browser = browser();
    let get = async |path: &str| browser.get(format!("{base}{path}")).send().await.unwrap();
    let refused = get("/api/me").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(json_of(refused).await["reason"], "no_cookie");

    let signed_up = sign_up(&browser, base, name).await;
    assert_eq!(signed_up.status(), 201);
    let me = json_of(get("/api/me").await).await;
    assert_eq!(
        me,
        json!({"name": name, "motto": format!("{name} was here")})
    );
    assert_eq!(get("/api/admin").await.status(), StatusCode::FORBIDDEN);
    let teapot = get("/api/teapot").await;
    assert_eq!(teapot.status(), 418);
    assert_eq!(json_of(teapot).await, json!({"error": "I am a teapot"}));

    // Logged out, then in by the app's own code.
    let out = browser.delete(format!("{base}/api/auth/logout/")).send();
    assert_eq!(out.await.unwrap().status(), 200);
    assert_eq!(get("/api/me").await.status(), 401);
    let wrong = post(&browser, format!("{base}/api/code/{name}/guess"), json!({})).await;
    assert_eq!(wrong.status(), 403);
    assert_eq!(json_of(wrong).await, json!({"error": "wrong code"}));
    let code = format!("{base}/api/code/{name}/open-sesame");
    let logged_in = post(&browser, code, json!({})).await;
    assert_eq!(logged_in.status(), 200);
    let cookie = logged_in.headers()[header::SET_COOKIE].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    chat(base, &cookie, name).await;

    let renamed = post(&browser, format!("{base}/api/name/admin"), json!({})).await;
    assert_eq!(renamed.status(), 200);
    assert_eq!(get("/api/admin").await.text().await.unwrap(), "welcome");
    let mut socket = connect(base, &cookie).await;
    let left = post(&browser, format!("{base}/api/leave"), json!({})).await;
    assert_eq!(left.status(), 200);
    let closed = socket.next().await.unwrap().unwrap();
    assert!(closed.is_close(), "{closed:?}");
    assert_eq!(get("/api/me").await.status(), 401);
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(base: &str, cookie: &str) -> Socket {
    let url = format!("{}/ws", base.replace("http", "ws"));
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("cookie", cookie.parse().unwrap());
    let (socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.status(), 101);
    socket
}

async fn chat(base: &str, cookie: &str, name: &str) {
    let mut socket = connect(base, cookie).await;
    for text in ["hello", "still there?"] {
        socket.send(Message::text(text)).await.unwrap();
        let echo = socket.next().await.unwrap().unwrap();
        assert_eq!(echo.to_text().unwrap(), format!("{name}: {text}"));
        // Longer than a request may take.
        tokio::time::sleep(Duration::from_millis(1600)).await;
    }
    socket.close(None).await.unwrap();
}

async fn refuses_what_it_must(base: &str) {
    let browser = browser();
    let unknown = browser.get(format!("{base}/api/auth/nothing")).send();
    let unknown = unknown.await.unwrap();
    assert_eq!(unknown.status(), 404);
    assert_eq!(
        unknown.headers()["content-type"],
        "application/problem+json"
    );
    let cross_site = browser
        .delete(format!("{base}/api/auth/logout"))
        .header("sec-fetch-site", "cross-site")
        .send();
    assert_eq!(
        json_of(cross_site.await.unwrap()).await["code"],
        "cross_site"
    );
}
