//! Bad input gets a clear problem with the right status, and changes nothing.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    bodies_that_cannot_be_read,
    fields_that_cannot_be_taken,
    names_and_addresses_are_unique_however_written,
    paths_and_methods_that_are_not_there,
    pages_of_other_sites_are_turned_away,
    every_answer_has_its_request_id,
    parallel_sign_ups_make_one_account,
);

async fn post_text(browser: &Browser, path: &str, content_type: &str, body: String) -> Answer {
    let request = browser
        .request(Method::POST, path)
        .header(CONTENT_TYPE, content_type);
    browser.send(request.body(body)).await
}

async fn bodies_that_cannot_be_read(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let large = format!("{{\"username\":\"{}\"}}", "x".repeat(64 * 1024));
    for path in ["/signup", "/login", "/login/"] {
        for (content_type, body, status, code) in [
            ("application/json", "", 400, "malformed_json"),
            ("application/json", "{\"username\":", 400, "malformed_json"),
            (
                "application/json",
                "{\"username\":\"a\"} {}",
                400,
                "malformed_json",
            ),
            ("application/json", "\u{0}", 400, "malformed_json"),
            (
                "application/json",
                &"[".repeat(60_000),
                400,
                "malformed_json",
            ),
            ("application/json", "[1]", 422, "invalid"),
            ("application/json", "null", 422, "invalid"),
            ("application/json", "{}", 422, "invalid"),
            ("application/json", "{\"username\":5}", 422, "invalid"),
            ("application/json", "{\"username\":null}", 422, "invalid"),
            (
                "application/json",
                "{\"username\":\"a\",\"username\":\"b\"}",
                422,
                "invalid",
            ),
            ("application/json", &large, 413, "payload_too_large"),
            ("text/plain", "{}", 415, "unsupported_media_type"),
            (
                "application/x-www-form-urlencoded",
                "username=Ann",
                415,
                "unsupported_media_type",
            ),
        ] {
            let answer = post_text(&browser, path, content_type, body.to_owned()).await;
            let head: String = body.chars().take(30).collect();
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (status, code),
                "{head}"
            );
        }
    }
    let answer = post_text(
        &browser,
        "/login",
        "application/json",
        "{\"username\":5}".into(),
    )
    .await;
    assert!(answer.json()["errors"]["username"].is_array(), "{answer:?}");
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn fields_that_cannot_be_taken(kind: Kind) {
    let server = Server::start(kind).await;
    let sign_up = async |body: Value| {
        let answer = server.browser().post("/signup", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (422, "invalid")
        );
        let errors = answer.json()["errors"].as_object().unwrap().clone();
        errors.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(sign_up(json!({})).await, ["email", "password", "username"]);
    for name in [
        "",
        "a",
        "two words",
        "a\0b",
        "a@b",
        "<b>",
        &"x".repeat(33),
        "\u{3164}\u{3164}",
    ] {
        let body = json!({"username": name, "email": "ann@example.com", "password": PASSWORD});
        assert_eq!(sign_up(body).await, ["username"], "{name:?}");
    }
    for email in [
        "",
        "ann",
        "ann@",
        "a\0@example.com",
        "Ann <ann@example.com>",
    ] {
        let body = json!({"username": "Ann", "email": email, "password": PASSWORD});
        assert_eq!(sign_up(body).await, ["email"], "{email:?}");
    }
    for password in [
        "",
        "seven77",
        &"x".repeat(257),
        "password1234",
        "LernantinoL",
    ] {
        let body =
            json!({"username": "Lernantino", "email": "l@example.com", "password": password});
        assert_eq!(sign_up(body).await, ["password"], "{password:?}");
    }
    assert_eq!(server.database.count("users").await, 0);
}

async fn names_and_addresses_are_unique_however_written(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("José").await;
    let sign_up = async |name: &str, email: &str| {
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        let answer = server.browser().post("/signup", body).await;
        (answer.status.as_u16(), answer.code())
    };
    for name in ["José", "JOSÉ", "Jose\u{301}", "Ｊｏｓé"] {
        assert_eq!(
            sign_up(name, "new@example.com").await,
            (409, "username_taken".into())
        );
    }
    assert_eq!(
        sign_up("Ann", "JOSÉ@EXAMPLE.com").await,
        (409, "email_taken".into())
    );
    assert_eq!(
        browser.check().await.status,
        200,
        "a refused sign-up ends no session"
    );
    assert_eq!(server.database.count("users").await, 1);
    assert_eq!(
        browser.log_in("JOSE\u{301}").await.json()["username"],
        "José"
    );
}

async fn paths_and_methods_that_are_not_there(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    for path in [
        "/nowhere",
        "/login/x",
        &format!("/{}", "x".repeat(5_000)),
        "/../Cargo.toml",
        "/.env",
        "/post",
        "/%00",
        "/docs/x.js",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    let post = browser
        .send(browser.request(Method::POST, "/nowhere"))
        .await;
    assert_eq!(post.code(), "not_found");
    for (method, path, allowed) in [
        (Method::PUT, "/login", "GET,HEAD,POST"),
        (Method::GET, "/logout", "DELETE"),
        (Method::GET, "/signup/", "POST"),
        (Method::POST, "/checklogin", "GET,HEAD"),
        (Method::PATCH, "/sessions", "DELETE,GET,HEAD"),
        (Method::DELETE, "/session", "GET,HEAD"),
        (Method::GET, "/reauthenticate", "POST"),
        (Method::GET, "/sessions/x", "DELETE"),
        (Method::DELETE, "/password", "POST"),
        (Method::POST, "/healthz", "GET,HEAD"),
    ] {
        let answer = browser.send(browser.request(method.clone(), path)).await;
        assert_eq!(answer.code(), "method_not_allowed", "{method} {path}");
        assert_eq!(answer.status, 405);
        let mut methods: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
    let head = browser
        .send(browser.request(Method::HEAD, "/checklogin"))
        .await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (401, ""));
}

async fn pages_of_other_sites_are_turned_away(kind: Kind) {
    let server = Server::start_with(kind, &[("ALLOWED_ORIGINS", "https://app.example")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let log_out = async |headers: &[(&str, &str)]| {
        let request = browser.request(Method::DELETE, "/logout");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        browser.send(request).await
    };
    for headers in [
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ][..],
        &[
            ("sec-fetch-site", "same-site"),
            ("origin", "https://other.app.example"),
        ],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ] {
        let answer = log_out(headers).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "cross_site")
        );
    }
    assert_eq!(browser.check().await.status, 200, "nobody was logged out");
    let same = server.base.clone();
    for headers in [
        &[("sec-fetch-site", "same-origin"), ("origin", &*same)][..],
        &[("origin", &*same)],
        &[
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://app.example"),
        ],
        &[],
    ] {
        assert_eq!(log_out(headers).await.status, 200, "{headers:?}");
    }
    let answer = log_out(&[("origin", "https://app.example")]).await;
    let readable = answer.header("access-control-expose-headers").unwrap();
    let readable: Vec<_> = readable.split(',').map(str::trim).collect();
    assert_eq!(readable, ["retry-after", "x-request-id"]);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    let request = browser
        .request(Method::GET, "/checklogin")
        .header("origin", "https://evil.example");
    assert_eq!(
        browser
            .send(request)
            .await
            .header("access-control-allow-origin"),
        None
    );
}

async fn every_answer_has_its_request_id(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let request = browser
        .request(Method::GET, "/checklogin")
        .header("x-request-id", "chosen");
    let one = browser.send(request).await;
    let other = browser.get("/nowhere").await;
    let (one, other) = (one.header("x-request-id"), other.header("x-request-id"));
    assert!(one.is_some() && other.is_some() && one != other && one != Some("chosen"));
}

async fn parallel_sign_ups_make_one_account(kind: Kind) {
    let server = Server::start(kind).await;
    let sign_ups = (0..6).map(|_| {
        let browser = server.browser().patient();
        tokio::spawn(async move {
            let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
            browser.post("/signup", body).await.status.as_u16()
        })
    });
    let mut statuses = Vec::new();
    for sign_up in sign_ups.collect::<Vec<_>>() {
        statuses.push(sign_up.await.unwrap());
    }
    statuses.sort_unstable();
    // Where the first was told too late that it was done, it finds its own account.
    assert!([201, 409].contains(&statuses[0]), "{statuses:?}");
    assert_eq!(statuses[1..], [409; 5]);
    assert_eq!(server.database.count("users").await, 1);
    assert_eq!(server.database.count("sessions").await, 1);
}
