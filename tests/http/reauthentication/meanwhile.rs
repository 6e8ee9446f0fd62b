//! What happens while a password is verified.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use futures_util::future::join;
use handstamp::{
    Error,
    auth::{AccountState, Session},
};
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

use crate::helpers::{
    Browser, Kind, LONG_ENOUGH, PASSWORD, Server, TOO_SOON, find_user, on_both_databases,
};

on_both_databases!(
    of_two_at_once_one_renews,
    a_password_that_is_changed_meanwhile_is_no_proof,
    an_account_that_is_disabled_meanwhile_keeps_its_password,
    a_client_that_disconnects_leaves_nothing_half_done,
    what_a_handler_writes_meanwhile_is_kept,
    who_comes_with_the_id_from_before_writes_nothing,
    no_cookie_overwrites_one_that_is_on_its_way,
);

async fn of_two_at_once_one_renews(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORD_HASHES_AT_ONCE", "2")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let (mut rounds, mut late) = (0, 0);
    while rounds < 5 {
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
        if statuses[1] == 503 && late < 5 {
            // It has waited for too long, on a busy machine.
            late += 1;
            server.database.execute("delete from sessions").await;
            browser.patient().log_in("Ann").await;
            continue;
        }
        rounds += 1;
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

/// Writes this hash into every account.
fn set(hash: &str) -> String {
    format!("update users set password_hash = '{hash}'")
}

/// A hash of the password that takes long to compute.
fn slow_hash() -> String {
    use argon2::{Argon2, Params, password_hash::PasswordHasher};
    let slow = Argon2::from(Params::new(19 * 1024, 60, 1, None).unwrap());
    slow.hash_password(PASSWORD.as_bytes()).unwrap().to_string()
}

/// An operator closes the account of a thief, who changes the password at the same time.
async fn an_account_that_is_disabled_meanwhile_keeps_its_password(kind: Kind) {
    let server = Server::start(kind).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    let slow = slow_hash();
    server.database.execute(&set(&slow)).await;
    let changing = tokio::spawn(async move {
        let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
        thief.post("/password", body).await
    });
    let counted = "throttles where key like 'password on %' and count = 1";
    server.database.count_until(counted, 1).await;
    let user = find_user(server.accounts(), "Ann").await;
    let disabled = server.accounts().set_state(&user, AccountState::Disabled);
    disabled.await.unwrap();
    let answer = changing.await.unwrap();
    assert_eq!(answer.code(), "not_logged_in", "{answer:?}");
    let hash = server
        .database
        .text("select password_hash from users")
        .await;
    assert_eq!(hash, Some(slow));
    let changes = "audit_events where event = 'change_password'";
    assert_eq!(server.database.count(changes).await, 0);
}

/// Changed after its hash was read, which takes long to compute.
async fn a_password_that_is_changed_meanwhile_is_no_proof(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server.database.execute(&set(&slow_hash())).await;
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

/// Either the session is as it was, or it has a new id: its user logs in again, as a copied id must
/// be good for nothing.
async fn a_client_that_disconnects_leaves_nothing_half_done(kind: Kind) {
    let settings = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let proofs = "audit_events where event = 'reauthenticate' and outcome = 'success'";
    let attempts = "throttles where count > 0 and key like 'log-in %'";
    for number in 1..=5 {
        let cookie = format!("session={}", browser.session().unwrap());
        let (start, mut after) = (Instant::now(), TOO_SOON);
        while server.database.count(proofs).await < number {
            let bare = server.browser();
            let request = bare.request(Method::POST, "/reauthenticate");
            let request = request.header("cookie", &cookie);
            let sent = bare.send(request.json(&json!({"password": PASSWORD})));
            let _ = tokio::time::timeout(after, sent).await;
            // More on a busy machine, until it was long enough.
            after = (after * 3 / 2).min(LONG_ENOUGH);
            assert!(start.elapsed() < Duration::from_secs(60), "not counted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            // Of several at once, only one finds the session.
            for _ in 0..50 {
                if server.database.count(attempts).await == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        assert_eq!(browser.check().await.reason(), "unknown_session");
        // Five right passwords are no failures, though the limit is three.
        assert_eq!(browser.log_in("Ann").await.status, 200);
    }
    assert_eq!(server.database.count(proofs).await, 5);
}

/// A handler that waits between reading and writing a value, and says when it does.
#[derive(Clone, Default)]
struct SlowWriter {
    has_read: Arc<Notify>,
    may_write: Arc<Notify>,
}

impl SlowWriter {
    async fn start(&self, kind: Kind) -> Server {
        let Self {
            has_read,
            may_write,
        } = self.clone();
        let write = async move |session: Session| {
            session.get::<u32>("slow").await?;
            has_read.notify_one();
            may_write.notified().await;
            Ok::<_, Error>(session.insert("slow", 1).await?)
        };
        let read = async |session: Session| {
            let slow: Option<u32> = session.get("slow").await?;
            let quick: Option<u32> = session.get("quick").await?;
            Ok::<_, Error>(format!("{slow:?} {quick:?}"))
        };
        let quick = async |session: Session| Ok::<_, Error>(session.insert("quick", 2).await?);
        // Without reading them first.
        let clear = async |session: Session| {
            session.clear().await;
            Ok::<_, Error>(session.save().await?)
        };
        let routes = Router::new()
            .route("/slow", get(write))
            .route("/quick", get(quick))
            .route("/read", get(read))
            .route("/clear", get(clear))
            .route(
                "/forget",
                get(async |session: Session| session.clear().await),
            );
        Server::start_app(kind, &[], |auth| {
            routes.layer(auth.layer()).merge(auth.router())
        })
        .await
    }
}

async fn what_a_handler_writes_meanwhile_is_kept(kind: Kind) {
    let slow = SlowWriter::default();
    let server = slow.start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let bare = server.browser();
    let writing = tokio::spawn(async move { bare.get_with("/slow", &cookie).await });
    slow.has_read.notified().await;
    // Twice, so that the id it came with is neither the session's nor the last one before it.
    for _ in 0..2 {
        assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    }
    assert_eq!(browser.get("/quick").await.status, 200);
    slow.may_write.notify_one();
    let written = writing.await.unwrap();
    assert_eq!(
        (written.status.as_u16(), written.set_session()),
        (200, None)
    );
    assert_eq!(browser.get("/read").await.text, "Some(1) Some(2)");
    assert_eq!(browser.check().await.status, 200);
}

async fn who_comes_with_the_id_from_before_writes_nothing(kind: Kind) {
    let server = SlowWriter::default().start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    browser.get("/quick").await;
    let cookie = format!("session={}", browser.session().unwrap());
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    for path in ["/clear", "/quick"] {
        server.browser().get_with(path, &cookie).await;
    }
    assert_eq!(browser.get("/read").await.text, "None Some(2)");
}

/// Of requests that were sent before the browser had the cookie of a proof, a login or a sign-up.
async fn no_cookie_overwrites_one_that_is_on_its_way(kind: Kind) {
    let server = SlowWriter::default().start(kind).await;
    let browser = server.browser();
    let late = async |cookie: &str| {
        let answer = server.browser().get_with("/quick", cookie).await;
        assert_eq!(answer.status, 200);
        answer.header("set-cookie").is_some()
    };
    let cookie = |browser: &Browser| format!("session={}", browser.session().unwrap());

    browser.get("/quick").await;
    let visitor = cookie(&browser);
    browser.sign_up("Ann").await;
    assert!(!late(&visitor).await);
    let first = cookie(&browser);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert!(!late(&first).await);
    let second = cookie(&browser);
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert!(!late(&second).await);
    assert_eq!(browser.check().await.status, 200);

    // The cookie from before a login does not end what has replaced it.
    let bare = server.browser();
    bare.send_with(Method::DELETE, "/logout", &second).await;
    assert_eq!(browser.check().await.status, 200);

    // A browser that still has the old one by then has never got the new one.
    server.clock.advance(Duration::from_secs(31));
    assert!(late(&second).await);
    assert_eq!(browser.log_out().await.status, 200);
}
