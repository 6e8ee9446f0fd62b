//! How long a proof counts, and what asks for one.

use std::time::Duration;

use handstamp::auth::Application;
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    other_sessions_end_within_the_window_alone,
    the_window_is_a_setting,
    ending_the_current_session_never_asks,
    an_account_without_a_credential_is_never_asked,
    who_has_not_proved_lately_learns_of_no_session,
    without_a_date_the_login_counts,
    what_an_operator_changes_is_seen_soon,
    a_clock_set_back_prolongs_no_proof,
);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A server whose clock stands still, and two sessions of Ann's.
async fn start(kind: Kind, settings: &[(&str, &str)]) -> (Server, Browser, Browser) {
    let server = Server::start_with(kind, settings).await;
    server.clock.stop();
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.log_in("Ann").await;
    (server, browser, other)
}

async fn own_id(browser: &Browser) -> String {
    let info = browser.session_info().await;
    info["session"]["id"].as_str().unwrap().to_owned()
}

fn assert_asked(answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.code(), "reauthentication_required");
    assert_eq!(answer.json()["methods"], json!(["password"]));
    assert_eq!(answer.header("set-cookie"), None);
}

async fn other_sessions_end_within_the_window_alone(kind: Kind) {
    let (server, browser, other) = start(kind, &[]).await;
    let path = format!("/sessions/{}", own_id(&other).await);

    server.clock.advance(10 * MINUTE + SECOND);
    assert_asked(&browser.delete("/sessions").await);
    assert_asked(&browser.delete(&path).await);
    assert_eq!(other.check().await.status, 200, "nothing has ended");
    let ended = "audit_events where event = 'end_sessions'";
    assert_eq!(server.database.count(ended).await, 0);

    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    server.clock.advance(10 * MINUTE);
    assert_eq!(browser.delete(&path).await.status, 204, "to the second");
    assert_eq!(other.check().await.reason(), "unknown_session");
    other.log_in("Ann").await;
    assert_eq!(browser.delete("/sessions").await.status, 204);
    assert_eq!(other.check().await.reason(), "unknown_session");
    server.clock.advance(SECOND);
    assert_asked(&browser.delete("/sessions").await);
    assert_eq!(browser.check().await.status, 200, "asking is no logout");
}

async fn the_window_is_a_setting(kind: Kind) {
    let (server, browser, _) = start(kind, &[("REAUTHENTICATION_WINDOW", "1h")]).await;
    server.clock.advance(60 * MINUTE);
    assert_eq!(browser.delete("/sessions").await.status, 204);
    server.clock.advance(SECOND);
    assert_asked(&browser.delete("/sessions").await);
}

async fn ending_the_current_session_never_asks(kind: Kind) {
    let (server, browser, other) = start(kind, &[]).await;
    server.clock.advance(60 * MINUTE);
    let path = format!("/sessions/{}", own_id(&browser).await);
    assert_eq!(browser.delete(&path).await.status, 204);
    assert_eq!(browser.session(), None);
    assert_eq!(other.log_out().await.status, 200);
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn an_account_without_a_credential_is_never_asked(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    server
        .accounts()
        .add(Application::new("Ann"))
        .await
        .unwrap();
    let (browser, other) = (server.browser(), server.browser());
    for browser in [&browser, &other] {
        assert_eq!(browser.log_in_by_name("Ann").await.status, 200);
    }
    server.clock.advance(24 * 60 * MINUTE);
    let info = browser.session_info().await;
    assert_eq!(info["reauthentication"], Value::Null);
    assert_eq!(info["user"]["username"], "Ann");
    let path = format!("/sessions/{}", own_id(&other).await);
    assert_eq!(browser.delete(&path).await.status, 204);
    assert_eq!(browser.delete("/sessions").await.status, 204);
    assert_eq!(other.check().await.reason(), "unknown_session");
}

/// A thief with a stolen session cannot tell the ids of sessions from others.
async fn who_has_not_proved_lately_learns_of_no_session(kind: Kind) {
    let (server, browser, other) = start(kind, &[]).await;
    let ben = server.browser();
    ben.sign_up("Ben").await;
    let unknown = "00000000-0000-0000-0000-000000000000".to_owned();
    let (own, bens) = (own_id(&other).await, own_id(&ben).await);
    server.clock.advance(11 * MINUTE);
    let mut bodies = Vec::new();
    for id in [&own, &bens, &unknown] {
        let answer = browser.delete(&format!("/sessions/{id}")).await;
        assert_asked(&answer);
        bodies.push(answer.text);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let visitor = server.browser().delete(&format!("/sessions/{own}")).await;
    assert_eq!(visitor.reason(), "no_cookie", "who they are comes first");

    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    for id in [&bens, &unknown] {
        let answer = browser.delete(&format!("/sessions/{id}")).await;
        assert_eq!(answer.code(), "not_found");
    }
    assert_eq!(ben.check().await.status, 200);
}

/// As in the row of a session that an older version has begun.
async fn without_a_date_the_login_counts(kind: Kind) {
    let (server, browser, _) = start(kind, &[]).await;
    server.clock.advance(5 * MINUTE);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    let forget = "update sessions set authenticated_at = null";
    server.database.execute(forget).await;
    let session = until(&browser, |info| {
        let session = &info["session"];
        session["authenticated_at"] == session["created_at"]
    });
    session.await;
    server.clock.advance(5 * MINUTE);
    assert_eq!(browser.delete("/sessions").await.status, 204);
    server.clock.advance(SECOND);
    assert_asked(&browser.delete("/sessions").await);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(browser.delete("/sessions").await.status, 204);
}

/// Asks for the session until it is as wanted: changes of others apply a little later.
async fn until(browser: &Browser, is_wanted: impl Fn(&Value) -> bool) {
    for _ in 0..500 {
        if is_wanted(&browser.session_info().await) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {}", browser.session_info().await);
}

/// By SQL, while the session is cached.
async fn what_an_operator_changes_is_seen_soon(kind: Kind) {
    let (server, browser, _) = start(kind, &[]).await;
    let long_ago = match kind {
        Kind::Sqlite => "'2000-01-01T00:00:00.000000Z'",
        Kind::Postgres | Kind::PgBouncer => "timestamptz '2000-01-01T00:00:00Z'",
    };
    let take_back = format!("update sessions set authenticated_at = {long_ago}");
    server.database.execute(&take_back).await;
    until(&browser, |info| {
        info["session"]["authenticated_at"]
            .as_str()
            .is_some_and(|date| date.starts_with("2000-01-01T00:00:00"))
    })
    .await;
    assert_asked(&browser.delete("/sessions").await);

    let without = "update users set password_hash = null";
    server.database.execute(without).await;
    until(&browser, |info| info["reauthentication"].is_null()).await;
    assert_eq!(browser.delete("/sessions").await.status, 204);
}

async fn a_clock_set_back_prolongs_no_proof(kind: Kind) {
    let (server, browser, _) = start(kind, &[]).await;
    server.clock.advance(24 * 60 * MINUTE);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    server.clock.set_back(24 * 60 * MINUTE);
    assert_asked(&browser.delete("/sessions").await);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(browser.delete("/sessions").await.status, 204);
}
