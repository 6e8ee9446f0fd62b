//! PostgreSQL behind a line on which packets are lost: the connections stay open, and those that
//! were open never respond again. And a PostgreSQL that only reads.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::database_down::{Line, start_behind_a_line};
use crate::helpers::{Answer, Browser, Kind, Server};

/// Much longer than any request may take: a request that ran into this is one that hung.
const HUNG: Duration = Duration::from_secs(15);

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
    let (server, line, _direct) = start_behind_a_line(&[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for broken in [Line::Lost, Line::Silent] {
        // As many connections as the pool has, so that all of them are lost. To open so many takes a while.
        for _ in 0..2 {
            let busy = (0..40).map(|_| {
                let browser = browser.patient();
                tokio::spawn(async move { browser.get("/sessions").await.status })
            });
            for status in busy.collect::<Vec<_>>() {
                assert_eq!(status.await.unwrap(), 200);
            }
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
        let answer = browser.patient().check().await;
        assert_eq!(answer.status, 200, "nobody is logged out");
        for _ in 0..20 {
            assert_eq!(ask(&browser, Method::GET, "/sessions").await.status, 200);
            assert_eq!(ask(&browser, Method::POST, "/posts").await.status, 201);
        }
    }
}

/// As a primary is after it was demoted.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_refuses_writes_alone() {
    let server = Server::start(Kind::Postgres).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for (read_only, status) in [("on", 503), ("off", 201)] {
        let sql = format!(
            "do $$ begin
                 execute format('alter database %I set default_transaction_read_only = {read_only}',
                     current_database());
                 perform pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid();
             end $$"
        );
        server.database.execute(&sql).await;
        for _ in 0..200 {
            let answer = ask(&browser, Method::POST, "/posts").await;
            // On a connection that was ended.
            if answer.status == 503 && status != 503 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
            break;
        }
        for _ in 0..5 {
            assert_eq!(
                ask(&browser, Method::POST, "/posts").await.status.as_u16(),
                status
            );
            let answer = ask(&browser, Method::GET, "/sessions").await;
            assert_ne!(answer.status, 401, "{answer:?}");
        }
        browser.check_until(200).await;
    }
}
