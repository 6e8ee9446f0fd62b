//! How long the session of a first step lives, and how many there are.

use std::time::Duration;

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::json;

use crate::helpers::{Kind, PASSWORD, Server, TwoSteps, find_user, on_both_databases};

on_both_databases!(
    the_session_of_a_first_step_lives_ten_minutes,
    a_user_has_five_half_done_logins_at_most,
    what_ends_half_done_logins_ends_their_sessions,
    without_the_first_step_no_body_is_read,
);

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Of nobody who is logged in.
const SESSIONS: &str = "sessions where user_id is null";

async fn the_session_of_a_first_step_lives_ten_minutes(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = server.browser();
    let answer = browser.log_in_with("Ann", PASSWORD).await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("Max-Age=600"), "{cookie}");
    // No use of it prolongs it.
    for _ in 0..9 {
        server.clock.advance(MINUTE);
        assert_eq!(browser.check().await.reason(), "unknown_session");
    }
    server.clock.advance(MINUTE - SECOND);
    assert_eq!(browser.check().await.reason(), "unknown_session");
    server.clock.advance(SECOND);
    assert_eq!(browser.check().await.reason(), "expired");
    assert_eq!(browser.send_code(&ann.app.code()).await.reason(), "expired");
    server.clock.advance(61 * MINUTE);
    server.auth.purge_expired_sessions().await.unwrap();
    assert_eq!(server.database.count(SESSIONS).await, 0);
}

async fn a_user_has_five_half_done_logins_at_most(kind: Kind) {
    let server = Server::start(kind).await;
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let bens = ben.first_step("Ben").await;
    let mut browsers = Vec::new();
    for _ in 0..7 {
        server.clock.advance(SECOND);
        browsers.push(ann.first_step("Ann").await);
    }
    assert_eq!(server.database.count("half_logins").await, 6);
    assert_eq!(server.database.count(SESSIONS).await, 6);
    for oldest in &browsers[..2] {
        let answer = oldest.send_code(&ann.app.code()).await;
        assert_eq!(answer.reason(), "unknown_session");
    }
    assert_eq!(bens.send_code(&ben.app.code()).await.status, 200);
    assert_eq!(browsers[2].send_code(&ann.app.code()).await.status, 200);
    let wrong = browsers[6].send_code(&ann.app.wrong_code()).await;
    assert_eq!(wrong.code(), "bad_code");
}

async fn what_ends_half_done_logins_ends_their_sessions(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    ann.first_step("Ann").await;
    ann.first_step("Ann").await;
    assert_eq!(server.database.count(SESSIONS).await, 2);
    let new = "black coffee by noon";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    assert_eq!(ann.browser.post("/password", body).await.status, 204);
    assert_eq!(server.database.count(SESSIONS).await, 0);
    let browser = server.browser();
    assert_eq!(browser.log_in_with("Ann", new).await.status, 202);
    let user = find_user(server.accounts(), "Ann").await;
    server.accounts().delete(&user).await.unwrap();
    assert_eq!(server.database.count(SESSIONS).await, 0);
    assert_eq!(browser.check().await.reason(), "unknown_session");
}

async fn without_the_first_step_no_body_is_read(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let (visitor, half_done) = (server.browser(), ann.first_step("Ann").await);
    for path in ["/login/totp", "/login/recovery-code"] {
        for (body, status, code) in [
            ("{}", 422, "invalid"),
            ("{\"code\":5}", 422, "invalid"),
            ("{\"code\":\"\"}", 422, "invalid"),
            ("{", 400, "malformed_json"),
        ] {
            let send = async |browser: &crate::helpers::Browser| {
                let request = browser.request(Method::POST, path);
                let request = request.header(CONTENT_TYPE, "application/json");
                browser.send(request.body(body)).await
            };
            assert_eq!(send(&visitor).await.reason(), "no_cookie", "{path} {body}");
            let logged_in = send(&ann.browser).await;
            assert_eq!(logged_in.reason(), "unknown_session", "{path} {body}");
            let answer = send(&half_done).await;
            let of_answer = (answer.status.as_u16(), answer.code());
            assert_eq!(of_answer, (status, code.to_owned()), "{path} {body}");
        }
    }
    assert_eq!(half_done.send_code(&ann.app.code()).await.status, 200);
}
