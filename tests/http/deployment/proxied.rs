//! Behind nginx and Caddy, configured as in `deploy/`.

use std::{net::IpAddr, time::Duration};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::helpers::{
    EventStream, Kind, PASSWORD, Proxy, ProxyKind, Server, UNTIL_THERE_IS_ROOM, find_user,
};

const SETTINGS: &[(&str, &str)] = &[
    ("APP_ENV", "production"),
    ("TRUSTED_PROXIES", "127.0.0.1"),
    ("NEWS", "on"),
];

/// Turns each `async fn name(kind: ProxyKind)` into a test for each proxy.
macro_rules! behind_both_proxies {
    ($($name:ident),+ $(,)?) => {
        mod nginx {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::helpers::ProxyKind::Nginx).await;
            })+
        }
        mod caddy {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::helpers::ProxyKind::Caddy).await;
            })+
        }
    };
}

behind_both_proxies!(
    clients_keep_their_address_and_their_session,
    plain_http_is_redirected,
    pages_of_the_site_may_write_and_others_may_not,
    the_page_is_compressed_and_the_api_is_not,
    events_arrive_at_once,
    any_node_knows_every_session,
);

async fn clients_keep_their_address_and_their_session(kind: ProxyKind) {
    let server = Server::start_with(Kind::Sqlite, SETTINGS).await;
    let proxy = Proxy::start(kind, &[&server.base]);
    let address: IpAddr = "127.0.0.9".parse().unwrap();
    let browser = proxy.browser_at(address);
    let answer = browser.sign_up("Ann").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    assert_eq!(browser.check().await.status, 200);
    // What a client claims is not believed.
    let request = browser.request(Method::GET, "/sessions");
    let answer = browser
        .send(request.header("x-forwarded-for", "203.0.113.7"))
        .await;
    assert_eq!(answer.json()["sessions"][0]["ip"], "127.0.0.9");
    let claiming = proxy.browser_at(address);
    let request = claiming.request(Method::POST, "/login");
    let request = request.json(&serde_json::json!({
        "username": "Ann", "password": crate::helpers::PASSWORD
    }));
    let answer = claiming
        .send(request.header("x-forwarded-for", "203.0.113.7"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sessions = browser.get("/sessions").await.json();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert!(
        sessions.iter().all(|session| session["ip"] == "127.0.0.9"),
        "{sessions:?}"
    );
    browser.log_out().await;
    assert_eq!(browser.check().await.status, 401);
}

async fn plain_http_is_redirected(kind: ProxyKind) {
    let server = Server::start_with(Kind::Sqlite, SETTINGS).await;
    let proxy = Proxy::start(kind, &[&server.base]);
    let browser = crate::helpers::Browser::new(&proxy.plain);
    let request = browser.request(Method::GET, "/checklogin");
    // Caddy redirects its own names alone.
    let request = match kind {
        ProxyKind::Nginx => request.header("host", "evil.example"),
        ProxyKind::Caddy => request,
    };
    let answer = browser.send(request).await;
    assert!(answer.status.is_redirection(), "{answer:?}");
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("https://localhost"), "{location}");
    assert!(location.ends_with("/checklogin"), "{location}");
}

async fn pages_of_the_site_may_write_and_others_may_not(kind: ProxyKind) {
    let server = Server::start_with(Kind::Sqlite, SETTINGS).await;
    let proxy = Proxy::start(kind, &[&server.base]);
    let browser = proxy.browser();
    for (origin, status) in [
        (&*proxy.base, 200),
        ("https://other.example", 403),
        (&*proxy.base.replace("https", "http"), 403),
    ] {
        // A browser without Fetch Metadata.
        let request = browser.request(Method::DELETE, "/logout");
        let answer = browser.send(request.header("origin", origin)).await;
        assert_eq!(answer.status.as_u16(), status, "{origin}: {answer:?}");
    }
}

async fn the_page_is_compressed_and_the_api_is_not(kind: ProxyKind) {
    let folder = tempfile::tempdir().unwrap();
    let text = "the same again ".repeat(1000);
    for file in ["index.html", "app.js", "app.css"] {
        std::fs::write(folder.path().join(file), &text).unwrap();
    }
    let mut settings = SETTINGS.to_vec();
    settings.push(("WEB_DIR", folder.path().to_str().unwrap()));
    let server = Server::start_with(Kind::Sqlite, &settings).await;
    let proxy = Proxy::start(kind, &[&server.base]);
    let browser = proxy.browser();
    for (path, encoding) in [
        ("/", Some("gzip")),
        ("/app.js", Some("gzip")),
        ("/app.css", Some("gzip")),
        ("/openapi.json", None),
        ("/posts", None),
        ("/checklogin", None),
    ] {
        let request = browser.request(Method::GET, path);
        let response = request.header("accept-encoding", "gzip").send().await;
        let response = response.unwrap();
        let used = response.headers().get("content-encoding");
        let used = used.map(|value| value.to_str().unwrap());
        assert_eq!(used, encoding, "{path}");
    }
}

async fn events_arrive_at_once(kind: ProxyKind) {
    let mut settings = SETTINGS.to_vec();
    settings.push(("API_PREFIX", "/api"));
    let server = Server::start_with(Kind::Sqlite, &settings).await;
    let proxy = Proxy::start(kind, &[&server.base]);
    let browser = proxy.browser();
    let ann = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    assert_eq!(browser.post("/api/signup", ann).await.status, 201);
    let request = || browser.request(Method::GET, "/api/session/events");
    let compressed = request().header("accept-encoding", "gzip, zstd");
    let mut stream = EventStream::of(compressed).await;
    assert!(!stream.headers().contains_key("content-encoding"));
    let user = find_user(server.accounts(), "Ann").await;
    server.accounts().change_email(&user, None).await.unwrap();
    stream.changed().await;
    // Longer than a connection may be idle.
    assert_eq!(stream.next_block().await.as_deref(), Some(":"));

    // One that the client has closed makes room.
    let others = join_all((0..7).map(|_| EventStream::of(request()))).await;
    assert_eq!(browser.get("/api/session/events").await.status, 429);
    drop(others);
    let opened = async {
        while request().send().await.unwrap().status() == 429 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let opened = timeout(UNTIL_THERE_IS_ROOM, opened).await;
    opened.expect("a closed stream keeps its place");

    browser.delete("/api/logout").await;
    assert_eq!(stream.reason().await, "logged_out");
}

async fn any_node_knows_every_session(kind: ProxyKind) {
    let first = Server::start_with(Kind::Postgres, SETTINGS).await;
    let database = crate::helpers::Database::at(&first.database.url);
    let second = Server::start_on(database, SETTINGS).await;
    let proxy = Proxy::start(kind, &[&first.base, &second.base]);
    let browser = proxy.browser();
    browser.sign_up("Ann").await;
    for _ in 0..8 {
        assert_eq!(browser.check().await.status, 200);
    }
    browser.log_out().await;
    browser.check_until(401).await;
    // A node that is gone is passed by, once the proxy has seen that its connections are closed.
    drop(first);
    for _ in 0..8 {
        browser.get("/healthz").await;
    }
    assert_eq!(browser.log_in("Ann").await.status, 200);
    for _ in 0..8 {
        assert_eq!(browser.check().await.status, 200);
    }
}
