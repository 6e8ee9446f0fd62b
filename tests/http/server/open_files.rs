//! A low limit of open files: idle clients keep nobody out.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::json;
use tokio::net::TcpStream;

use crate::helpers::{Database, Kind, Workplace, client_builder, on_both_databases};

on_both_databases!(
    idle_connections_keep_nobody_out,
    too_few_open_files_end_the_start,
);

/// Less than the ten seconds after which an idle connection is closed anyway.
const PATIENCE: Duration = Duration::from_secs(8);

fn workplace(database: &Database) -> Workplace {
    let key = handstamp::auth::generate_secret_key();
    Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", &key),
        ("PASSWORDLESS_LOGIN", "on"),
        ("SESSIONS_PER_USER", "1000"),
    ])
}

/// Sends a request on a connection of its own until there is a response: a slow one may be
/// closed meanwhile.
async fn ask(request: impl Fn(Client) -> RequestBuilder) -> Response {
    loop {
        if let Ok(answer) = request(client_builder().build().unwrap()).send().await {
            return answer;
        }
    }
}

async fn idle_connections_keep_nobody_out(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace(&database);
    std::fs::create_dir_all(workplace.path("web/dist")).unwrap();
    std::fs::write(workplace.path("web/dist/index.html"), "<h1>page</h1>").unwrap();
    let added = workplace.run(&["user", "add", "Ann", "--no-password"]);
    assert!(added.status.success());
    let process = workplace.serve_with_open_files(64);
    let address = process.base.strip_prefix("http://").unwrap().to_owned();

    // Some send nothing, some half a request, some have had a response and stay.
    let mut idle = Vec::new();
    for number in 0..120 {
        let stream = TcpStream::connect(&address).await.unwrap();
        let said = match number % 3 {
            0 => "",
            1 => "GET /healthz HTTP/1.1\r\nHost: a",
            _ => "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        };
        let written = stream.try_write(said.as_bytes());
        assert!(said.is_empty() || written.is_ok());
        idle.push(stream);
    }
    let walks = (0..8).map(|_| {
        let base = process.base.clone();
        tokio::spawn(async move {
            let body = json!({"username": "Ann"});
            let login = ask(|client| client.post(format!("{base}/login")).json(&body)).await;
            assert_eq!(login.status(), 200);
            let cookie = login.headers()["set-cookie"].clone();
            let check = |client: Client| client.get(format!("{base}/checklogin"));
            let check = ask(|client| check(client).header("cookie", &cookie)).await;
            assert_eq!(check.status(), 200);
            let page = ask(|client| client.get(&base)).await;
            assert_eq!(page.text().await.unwrap(), "<h1>page</h1>");
        })
    });
    let walks = join_all(walks.collect::<Vec<_>>());
    let walks = tokio::time::timeout(PATIENCE, walks).await;
    for walk in walks.expect("waited for idle connections") {
        walk.unwrap();
    }
    drop(idle);
    let logs = process.logs();
    assert!(!logs.contains("could not be accepted"), "{logs}");
    assert!(!logs.contains("ERROR"), "{logs}");
    let stopped = tokio::task::spawn_blocking(move || process.stop());
    assert_eq!(stopped.await.unwrap(), Some(0));
}

async fn too_few_open_files_end_the_start(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace(&database);
    let child = workplace.start_with_open_files(40);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("ulimit -n"), "{errors}");
    assert!(errors.contains("40"), "{errors}");
}
