//! Clients that misbehave.

use std::time::Duration;

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{rows, subject::Subject};

rows!(
    half_a_head_is_not_waited_for,
    half_a_body_is_not_waited_for,
    a_thousand_slow_clients_keep_nobody_out,
    two_lengths_make_one_request,
    malformed_lengths_are_refused,
    folded_and_nameless_headers_are_refused,
    endless_heads_are_refused,
);

/// A server's deadline is shorter than that.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_secs(3);
const SLOW_CLIENTS: usize = 1_000;

async fn half_a_head_is_not_waited_for(subject: Subject) {
    for half in [
        "",
        "GET",
        "GET /checklogin HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    ] {
        let reply = subject.exchange(half.as_bytes(), PATIENCE).await;
        assert!(reply.is_closed, "{half:?}");
    }
}

async fn half_a_body_is_not_waited_for(subject: Subject) {
    let half = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 22\r\n\r\n{\"user";
    let reply = subject.exchange(half.as_bytes(), PATIENCE).await;
    assert!(reply.is_closed, "{reply:?}");
}

async fn a_thousand_slow_clients_keep_nobody_out(subject: Subject) {
    rlimit::increase_nofile_limit(4096).unwrap();
    let mut slow = Vec::new();
    for _ in 0..SLOW_CLIENTS {
        let mut stream = subject.connect().await;
        stream
            .write_all(b"GET /checklogin HTTP/1.1\r\nHost: l")
            .await
            .unwrap();
        slow.push(tokio::spawn(timeout(PATIENCE, trickle(stream))));
    }
    let set = subject.log_in().await;
    for _ in 0..50 {
        assert!(subject.is_logged_in(&set.pair()).await);
    }
    for client in slow {
        assert!(client.await.unwrap().is_ok(), "still open");
    }
}

/// A byte a second, which must not extend the deadline, until the server closes.
async fn trickle(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    loop {
        match timeout(Duration::from_secs(1), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) if stream.write_all(b"o").await.is_err() => return,
            Err(_) => {}
        }
    }
}

/// RFC 9112, 6.1 and 6.3: whichever counts, the rest is not parsed as another request.
async fn two_lengths_make_one_request(subject: Subject) {
    let smuggled = "GET /checklogin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
    ] {
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             {head}\r\n\r\n0\r\n\r\n{smuggled}"
        );
        let reply = subject.exchange(request.as_bytes(), PATIENCE).await;
        assert!(reply.is_closed && reply.answers() <= 1, "{head}: {reply:?}");
        assert!(
            reply.status().is_none_or(|status| status >= 400),
            "{reply:?}"
        );
    }
}

async fn malformed_lengths_are_refused(subject: Subject) {
    for length in [
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 5, 6",
        "Content-Length: 0x5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 99999999999999999999",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
    ] {
        let request = format!(
            "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             {length}\r\n\r\n{{\"username\":\"Jackson\"}}"
        );
        let reply = subject.exchange(request.as_bytes(), SHORT).await;
        let is_refused = reply
            .status()
            .is_none_or(|status| (400..=501).contains(&status));
        assert!(reply.is_closed && is_refused, "{length}: {reply:?}");
    }
}

async fn folded_and_nameless_headers_are_refused(subject: Subject) {
    for header in [
        "X-Folded: a\r\n b",
        ": nameless",
        "Space Before : x",
        "Content-Length : 5",
        "X-Null: a\0b",
    ] {
        let request = format!("GET /checklogin HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        let reply = subject.exchange(request.as_bytes(), SHORT).await;
        assert!(
            reply.is_closed && reply.status() == Some(400),
            "{header:?}: {reply:?}"
        );
    }
}

async fn endless_heads_are_refused(subject: Subject) {
    let long = format!(
        "GET /checklogin HTTP/1.1\r\nX-Long: {}",
        "x".repeat(1_000_000)
    );
    let many = format!(
        "GET /checklogin HTTP/1.1\r\n{}",
        "X-Many: x\r\n".repeat(100_000)
    );
    for head in [long, many] {
        let reply = subject.exchange(head.as_bytes(), SHORT).await;
        assert!(reply.is_closed, "{:.200}", reply.text);
        assert!(reply.status().is_none_or(|status| status >= 400));
    }
    let answer = subject.request(Method::GET, "/checklogin").send().await;
    assert_eq!(answer.unwrap().status(), 401);
}
