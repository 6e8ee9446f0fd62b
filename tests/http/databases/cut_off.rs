//! PostgreSQL behind a line on which packets are lost: the connections stay open, and those that
//! were open never respond again.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;

use super::database_down::{Line, proxy};
use crate::helpers::{Answer, Browser, Database, Kind, Server};

/// Longer than any request may take: a request that ran into this is one that hung.
const HUNG: Duration = Duration::from_secs(5);

async fn ask(browser: &Browser, method: Method, path: &str) -> Answer {
    let request = browser.request(method, path);
    let request = match path {
        "/posts" => request.json(&json!({"title": "A title"})),
        "/login" => request.json(&json!({"username": "Ann", "password": crate::helpers::PASSWORD})),
        _ => request,
    };
    tokio::time::timeout(HUNG, browser.send(request))
        .await
        .unwrap_or_else(|_| panic!("{path} hangs"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_refused_and_none_hangs() {
    let direct = Database::new(Kind::Postgres).await;
    let (line, watched) = watch::channel(Line::Up);
    let url = proxy(&direct.url, watched).await;
    let server = Server::start_on(Database::at(&url), &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for broken in [Line::Lost, Line::Silent] {
        // As many connections as the pool has, so that all of them are lost.
        let busy = (0..40).map(|_| {
            let browser = browser.clone();
            tokio::spawn(async move { browser.get("/sessions").await.status })
        });
        for status in busy.collect::<Vec<_>>() {
            assert_eq!(status.await.unwrap(), 200);
        }
        line.send_replace(broken);
        // Cached sessions are trusted for a moment more.
        browser.check_until(503).await;
        let requests = [
            (Method::GET, "/checklogin"),
            (Method::GET, "/sessions"),
            (Method::GET, "/posts/00000000-0000-7000-8000-000000000000"),
            (Method::GET, "/readyz"),
            (Method::POST, "/posts"),
            (Method::POST, "/login"),
            (Method::DELETE, "/logout"),
        ];
        // Many at once, so that all connections wait in vain.
        let asked = requests.iter().cycle().take(70).map(|(method, path)| {
            let (browser, method, path) = (browser.clone(), method.clone(), *path);
            tokio::spawn(async move { (path, ask(&browser, method, path).await) })
        });
        for answer in asked.collect::<Vec<_>>() {
            let (path, answer) = answer.await.unwrap();
            assert_eq!(answer.status, 503, "{path}: {answer:?}");
            assert!(answer.header("retry-after").is_some(), "{path}");
            assert_eq!(answer.header("set-cookie"), None, "{path}");
        }
        line.send_replace(Line::Up);
        // Lost connections are not waited for: TCP would take a quarter of an hour.
        for _ in 0..100 {
            let answer = browser.check().await;
            assert_ne!(answer.status, 401, "nobody is logged out");
            if answer.status == 200 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for _ in 0..20 {
            assert_eq!(ask(&browser, Method::GET, "/sessions").await.status, 200);
            assert_eq!(ask(&browser, Method::POST, "/posts").await.status, 201);
        }
    }
}
