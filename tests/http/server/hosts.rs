//! Requests without exactly one well-formed Host.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    a_request_names_one_host,
    a_refused_request_gets_the_usual_headers,
);

/// The response to a raw request head.
async fn answer(server: &Server, head: &str) -> String {
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

async fn a_request_names_one_host(kind: Kind) {
    let server = Server::start(kind).await;
    for (line, hosts, expected) in [
        ("GET /posts HTTP/1.1", "Host: a.example\r\n", "200"),
        ("GET /posts HTTP/1.1", "Host: a.example:5000\r\n", "200"),
        ("GET /posts HTTP/1.1", "Host: [::1]:5000\r\n", "200"),
        ("GET /posts HTTP/1.0", "", "200"),
        ("GET /posts HTTP/1.1", "", "400"),
        ("GET /posts HTTP/1.1", "Host:\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a\r\nHost: a\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a\r\nHost: b\r\n", "400"),
        ("GET /posts HTTP/1.0", "Host: a\r\nHost: b\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a, b\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a b\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a/b\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: user@a\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: a:port\r\n", "400"),
        ("GET /posts HTTP/1.1", "Host: http://a\r\n", "400"),
        ("GET http://a/posts HTTP/1.1", "Host: b\r\n", "200"),
        ("GET http://a/posts HTTP/1.1", "", "400"),
        ("GET http://a/posts HTTP/1.1", "Host: <b>\r\n", "400"),
        ("DELETE /logout HTTP/1.1", "", "400"),
        ("GET /healthz HTTP/1.1", "", "400"),
        ("GET /nowhere HTTP/1.1", "", "400"),
    ] {
        let head = format!("{line}\r\n{hosts}Connection: close\r\n\r\n");
        let answer = answer(&server, &head).await;
        assert_eq!(status(&answer), expected, "{head}: {answer}");
    }
}

async fn a_refused_request_gets_the_usual_headers(kind: Kind) {
    let server = Server::start(kind).await;
    let answer = answer(
        &server,
        "POST /login HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Type: application/json\r\n\
         Content-Length: 22\r\nConnection: close\r\n\r\n{\"username\":\"Jackson\"}",
    )
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    for header in [
        "content-type: application/problem+json",
        "x-content-type-options: nosniff",
        "x-request-id: ",
        "cache-control: no-store",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], "bad_host");
    assert_eq!(problem["status"], 400);
}
