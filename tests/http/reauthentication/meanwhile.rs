//! What happens while a password is verified.

use std::time::Duration;

use futures_util::future::join;
use reqwest::Method;
use serde_json::json;

use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    of_two_at_once_one_renews,
    a_password_that_is_changed_meanwhile_is_no_proof,
    a_client_that_disconnects_leaves_nothing_half_done,
);

async fn of_two_at_once_one_renews(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORD_HASHES_AT_ONCE", "2")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..5 {
        let cookie = format!("session={}", browser.session().unwrap());
        let prove = async || {
            let bare = server.browser();
            let request = bare.request(Method::POST, "/reauthenticate");
            let request = request.header("cookie", &cookie);
            bare.send(request.json(&json!({"password": PASSWORD})))
                .await
        };
        let (one, two) = join(prove(), prove()).await;
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "{one:?} {two:?}");
        let renewed = one.set_session().or(two.set_session()).unwrap();
        let renewed = format!("session={renewed}");
        assert_eq!(browser.check_with(&renewed).await.status, 200);
        assert_eq!(
            browser.check_with(&cookie).await.reason(),
            "unknown_session"
        );
        assert_eq!(server.database.count("sessions").await, 1);
        browser.log_out().await;
        browser.send_with(Method::DELETE, "/logout", &renewed).await;
        browser.log_in("Ann").await;
    }
}

/// Changed after its hash was read, which takes long to compute.
async fn a_password_that_is_changed_meanwhile_is_no_proof(kind: Kind) {
    use argon2::{Argon2, Params, password_hash::PasswordHasher};
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let slow = Argon2::from(Params::new(19 * 1024, 60, 1, None).unwrap());
    let slow = slow.hash_password(PASSWORD.as_bytes()).unwrap();
    let set = |hash: &str| format!("update users set password_hash = '{hash}'");
    server.database.execute(&set(&slow.to_string())).await;
    let before = browser.session_info().await;
    let proving = {
        let browser = browser.clone();
        tokio::spawn(async move { browser.reauthenticate(PASSWORD).await })
    };
    // An attempt is counted before its password is verified.
    let counted = "throttles where key like 'log-in from %' and count = 1";
    server.database.count_until(counted, 1).await;
    server.database.execute(&set("another")).await;
    let answer = proving.await.unwrap();
    assert_eq!(answer.code(), "bad_credentials");
    assert_eq!(browser.session_info().await, before);
    let proofs = "audit_events where event = 'reauthenticate' and outcome = 'success'";
    assert_eq!(server.database.count(proofs).await, 0);
}

/// Either the session is as it was, or it has a new id: its client logs in again.
async fn a_client_that_disconnects_leaves_nothing_half_done(kind: Kind) {
    let settings = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let proofs = "audit_events where event = 'reauthenticate' and outcome = 'success'";
    for number in 1..=5 {
        let cookie = format!("session={}", browser.session().unwrap());
        while server.database.count(proofs).await < number {
            let bare = server.browser();
            let request = bare.request(Method::POST, "/reauthenticate");
            let request = request.header("cookie", &cookie);
            let sent = bare.send(request.json(&json!({"password": PASSWORD})));
            // Long enough to be counted, too short for a response.
            let _ = tokio::time::timeout(Duration::from_millis(8), sent).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(browser.check().await.reason(), "unknown_session");
        // Five right passwords are no failures, though the limit is three.
        assert_eq!(browser.log_in("Ann").await.status, 200);
    }
    assert_eq!(server.database.count(proofs).await, 5);
}
