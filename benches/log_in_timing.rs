//! Whether the time of a failed login reveals why it failed.
//!
//! `cargo bench --bench log_in_timing`, with `TEST_POSTGRES_URL` set for PostgreSQL as well. The
//! four kinds take turns within one run; the medians' ratios are what counts.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use handstamp::{
    Clock, Db,
    auth::{AccountState, Application},
    http,
    server::{Config, Health, app},
};
use reqwest::Client;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::net::TcpListener;

const ATTEMPTS: usize = 300;
const NAMES: [&str; 4] = ["unknown", "wrong", "disabled", "passwordless"];

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}/bench.db", folder.path().display());
    measure("SQLite", &file).await;
    if let Ok(server) = std::env::var("TEST_POSTGRES_URL") {
        let mut connection = PgConnection::connect(&server).await.unwrap();
        sqlx::query("create database log_in_timing")
            .execute(&mut connection)
            .await
            .unwrap();
        measure(
            "PostgreSQL",
            &server.replace("/postgres?", "/log_in_timing?"),
        )
        .await;
    }
}

async fn measure(database: &str, url: &str) {
    let base = start(url).await;
    let client = Client::new();
    let mut times = NAMES.map(|_| Vec::new());
    for attempt in 0..ATTEMPTS + 10 {
        // Another one comes first each time.
        for turn in 0..NAMES.len() {
            let index = (attempt + turn) % NAMES.len();
            let body = json!({"username": NAMES[index], "password": "a wrong password"});
            let request = client.post(format!("{base}/login")).json(&body);
            let begun = Instant::now();
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400);
            answer.bytes().await.unwrap();
            // The first few warm up.
            if attempt >= 10 {
                times[index].push(begun.elapsed());
            }
        }
    }
    let medians = times.map(median);
    let fastest = medians.iter().min().unwrap().as_secs_f64();
    for (name, median) in NAMES.iter().zip(medians) {
        let ratio = median.as_secs_f64() / fastest;
        println!("{database:<11} {name:<13} {median:>9.2?}  ratio {ratio:.3}");
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A server with an account for each way to fail.
async fn start(url: &str) -> String {
    let settings = [
        ("DATABASE_URL", url),
        ("SECRET_KEY", "a key of the bench, which is long enough"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "100000/1h"),
        ("LOGIN_FAILURES_PER_ADDRESS", "100000/1h"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::for_server(&settings.into_iter().collect()).unwrap();
    let db = Db::connect(&config.database_url).await.unwrap();
    db.migrate().await.unwrap();
    let auth = config.auth(db.clone(), Clock::system()).unwrap();
    for name in &NAMES[1..] {
        let password = (*name != "passwordless").then(|| "plain tea at dawn".to_owned());
        let application = Application::new(*name)
            .email(format!("{name}@example.com"))
            .password(password);
        let user = auth.accounts().add(application).await.unwrap();
        if *name == "disabled" {
            let disabled = AccountState::Disabled;
            auth.accounts().set_state(&user, disabled).await.unwrap();
        }
    }
    let app = app::service(&config, &auth, Health::new(db), None).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(http::serve(listener, app, std::future::pending()));
    base
}
