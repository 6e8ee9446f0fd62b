//! A client that disconnects midway leaves nothing half done and nothing stuck.

use std::{io::Write, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    writers_go_on_after_a_thousand_disconnects,
    half_a_body_is_not_waited_for
);

const DISCONNECTS: u64 = 1_000;
const LOG_IN: &str = "{\"username\":\"Ann\"}";

fn request(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{head} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

async fn writers_go_on_after_a_thousand_disconnects(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let ann = handstamp::auth::Application::new("Ann");
    server.accounts().add(ann).await.unwrap();
    let address = server.base.strip_prefix("http://").unwrap();
    for number in 0..DISCONNECTS {
        let stream = TcpStream::connect(address).await.unwrap();
        // Reset rather than closed: the server learns of it midway.
        stream.set_zero_linger().unwrap();
        let mut stream = stream.into_std().unwrap();
        stream
            .write_all(request("POST /login", LOG_IN).as_bytes())
            .unwrap();
        // From right away to when the response is on its way, in no order.
        std::thread::sleep(Duration::from_micros(number * 7_919 % 2_000));
    }
    let browser = server.browser();
    // A thousand writes may still be queued.
    while browser.log_in_by_name("Ann").await.status == 503 {}
    for _ in 0..5 {
        assert_eq!(browser.log_in_by_name("Ann").await.status, 200);
        let cookie = format!("session={}", browser.session().unwrap());
        assert_eq!(browser.log_out().await.status, 200);
        assert_eq!(
            browser.check_with(&cookie).await.reason(),
            "unknown_session"
        );
    }
    assert_eq!(browser.get("/readyz").await.status, 200);
    // Another process can write, too.
    let accounts = server.other_process().await;
    let ann = accounts.find_by_username("Ann").await.unwrap().unwrap();
    accounts.sign_out(&ann.user).await.unwrap();
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn half_a_body_is_not_waited_for(kind: Kind) {
    let server = Server::start(kind).await;
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let whole = request("POST /login", LOG_IN);
    stream
        .write_all(&whole.as_bytes()[..whole.len() - 1])
        .await
        .unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
}
