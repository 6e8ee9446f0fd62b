//! Malformed and hostile input.

use reqwest::Method;
use serde_json::json;

use super::{rows, subject::Subject};

rows!(
    names_of_other_types_are_refused,
    sql_is_a_name_like_any_other,
    line_breaks_do_not_reach_headers,
    what_is_not_json_is_refused,
    deep_json_is_refused,
    large_bodies_are_refused_unread,
    odd_requests_leave_the_server_well,
);

async fn names_of_other_types_are_refused(subject: Subject) {
    for name in [
        json!(null),
        json!(1),
        json!(true),
        json!([]),
        json!(["Jackson"]),
        json!({}),
        json!({"$ne": null}),
        json!({"toString": "Jackson"}),
    ] {
        let answer = subject.log_in_request_of(&name).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{name}: {answer:?}");
    }
}

async fn sql_is_a_name_like_any_other(subject: Subject) {
    for name in [
        "Jackson' --",
        "' or '1'='1",
        "Jackson'; drop table users; --",
        "Jackson\" or \"\"=\"",
        "Jackson\0",
        "%",
        "Jackson%",
    ] {
        let answer = subject
            .log_in_request_of(&json!(name))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error(), "{name}: {answer:?}");
    }
    subject.log_in().await;
}

async fn line_breaks_do_not_reach_headers(subject: Subject) {
    let name = json!("Jackson\r\nSet-Cookie: evil=1");
    let answer = subject.log_in_request_of(&name).send().await.unwrap();
    assert!(answer.status().is_client_error(), "{answer:?}");
    assert_eq!(answer.headers().get("set-cookie"), None);
}

async fn log_in_with_body(subject: &Subject, body: impl Into<reqwest::Body>) -> u16 {
    let request = subject.request(Method::POST, "/login");
    let request = request.header("content-type", "application/json");
    request.body(body).send().await.unwrap().status().as_u16()
}

async fn what_is_not_json_is_refused(subject: Subject) {
    for body in [
        &b""[..],
        b"{",
        b"Jackson",
        b"[]",
        b"null",
        b"\"Jackson\"",
        b"{\"username\":\"Jackson\"",
        b"{\"username\":\"\xff\xfe\"}",
        b"{\"username\":\"Jackson\"} {}",
    ] {
        let status = log_in_with_body(&subject, body).await;
        let text = String::from_utf8_lossy(body);
        assert!((400..500).contains(&status), "{text}: {status}");
    }
}

async fn deep_json_is_refused(subject: Subject) {
    for opening in ["[", "{\"username\":"] {
        let deep = opening.repeat(30_000 / opening.len());
        let status = log_in_with_body(&subject, deep).await;
        assert!((400..500).contains(&status), "{status}");
    }
    let deep = format!(
        "{{\"username\":{}{}}}",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    let status = log_in_with_body(&subject, deep).await;
    assert!((400..500).contains(&status), "{status}");
    subject.log_in().await;
}

/// 413 while most of it is yet to be sent.
async fn large_bodies_are_refused_unread(subject: Subject) {
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 50000000\r\n\r\n{\"username\":\"";
    let start = format!("{head}{}", "x".repeat(300_000));
    let within = std::time::Duration::from_secs(5);
    let reply = subject.exchange(start.as_bytes(), within).await;
    assert_eq!(reply.status(), Some(413), "{reply:?}");
}

async fn odd_requests_leave_the_server_well(subject: Subject) {
    for path in [
        "/%00",
        "/%ff%fe",
        "//evil.example",
        "/..%2f..%2fetc/passwd",
        "/login/../x",
    ] {
        let within = std::time::Duration::from_secs(5);
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let reply = subject.exchange(head.as_bytes(), within).await;
        let status = reply.status().unwrap_or(400);
        assert!(status < 500, "{path}: {reply:?}");
        assert!(
            !reply.text.to_lowercase().contains("location: //"),
            "{path}"
        );
    }
    subject.log_in().await;
}
