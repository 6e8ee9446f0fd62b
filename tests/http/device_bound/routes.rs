//! No route takes the cookie of a bound session without a proof.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Bound, Browser, DEVICE_BOUND, Kind, PASSWORD, Server, on_both_databases,
};

on_both_databases!(
    every_route_refuses_it,
    visitors_routes_treat_it_as_a_visitor
);

const MINUTE: Duration = Duration::from_secs(60);

fn assert_unproven(answer: &Answer, what: &str) {
    assert_eq!(answer.code(), "not_logged_in", "{what}: {answer:?}");
    assert_eq!(
        answer.reason(),
        "device_proof_missing",
        "{what}: {answer:?}"
    );
    assert_eq!(answer.header("set-cookie"), None, "{what}: {answer:?}");
}

/// Bodies that are well-formed, of routes that look at the body first.
fn body_of(path: &str) -> Value {
    match path {
        "/posts" => json!({"title": "t", "text": "t"}),
        "/posts/{id}/comments" => json!({"text": "t"}),
        "/posts/{id}" => json!({"title": "t"}),
        "/email" => json!({"email": "new@example.com"}),
        "/reauthenticate" => json!({"password": PASSWORD}),
        "/password" => {
            json!({"current_password": PASSWORD, "new_password": "black coffee by noon"})
        }
        "/login/totp" | "/login/recovery-code" | "/totp/confirm" => json!({"code": "123456"}),
        "/passkeys" | "/reauthenticate/passkey" => json!({"credential": {}}),
        "/passkeys/{id}" => json!({"name": "n"}),
        _ => json!({}),
    }
}

async fn send(browser: &Browser, method: &str, path: &str, cookie: &str) -> Answer {
    let to = path.replace("{id}", "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60");
    let to = to.replace("{comment_id}", "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60");
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = browser
        .request(method.clone(), &to)
        .header("cookie", cookie);
    let request = match method {
        Method::POST | Method::PATCH | Method::PUT => request.json(&body_of(path)),
        _ => request,
    };
    browser.send(request).await
}

async fn every_route_refuses_it(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(11 * MINUTE);
    let (thief, copied) = (server.browser(), bound.copied());
    let openapi = thief.get("/openapi.json").await.json();
    let mut count = 0;
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            // It names the session by its id, not by the cookie; visitors read posts, too.
            let is_for_anybody =
                path == "/device/refresh" || (method == "get" && path.starts_with("/posts"));
            if operation["responses"]["401"].is_null() || is_for_anybody {
                continue;
            }
            let what = format!("{method} {path}");
            assert_unproven(&send(&thief, method, path, &copied).await, &what);
            count += 1;
        }
    }
    assert!(count > 25, "{count}");
    let own = format!("/sessions/{}", bound.id);
    let answer = thief.send_with(Method::DELETE, &own, &copied).await;
    assert_unproven(&answer, "its own session");
    bound.refresh().await;
    let check = thief.check_with(&bound.cookies()).await;
    assert_eq!(check.status, 200);
}

async fn visitors_routes_treat_it_as_a_visitor(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(11 * MINUTE);
    let (thief, copied) = (server.browser(), bound.copied());
    let info = thief.get_with("/session", &copied).await;
    assert_eq!(info.status, 200);
    assert_eq!(
        info.json(),
        json!({
            "user": null,
            "session": null,
            "reauthentication": null,
            "reason": "device_proof_missing",
        })
    );
    let posts = thief.get_with("/posts", &copied).await.json();
    assert_eq!(posts["logged_in"], false);
    let own = thief.get_with("/posts?author=me", &copied).await;
    assert_unproven(&own, "own posts");
}
