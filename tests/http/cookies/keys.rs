//! Key rotation: nobody is logged out as long as the old key is a fallback.

use std::sync::Arc;

use axum::{Router, routing::get};
use handstamp::{
    auth::Secret,
    auth::{
        Auth, CurrentUser,
        pieces::{KeyRing, SessionToken},
    },
};
use serde_json::json;
use tokio::sync::Notify;

use crate::helpers::{Browser, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    a_rotation_logs_nobody_out,
    an_expired_session_is_not_re_signed,
    a_session_that_ends_meanwhile_is_not_re_signed,
    a_cookie_of_an_older_version_logs_nobody_out,
    ids_of_two_sessions_name_none,
);

const NEW: (&str, &str) = (
    "SECRET_KEY",
    "the new key, which is as long as it has to be",
);

fn cookie(browser: &Browser) -> String {
    format!("session={}", browser.session().unwrap())
}

async fn a_rotation_logs_nobody_out(kind: Kind) {
    let first = "the first key: it is as long as it has to be";
    let server = Server::start_with(kind, &[("SECRET_KEY", first)]).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let old = cookie(&user);

    let server = server
        .restart_with(&[NEW, ("SECRET_KEY_FALLBACKS", first)])
        .await;
    let browser = server.browser();
    let answer = browser.check_with(&old).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let resigned = format!("session={}", answer.set_session().unwrap());
    assert_ne!(resigned, old);
    assert!(
        answer
            .header("set-cookie")
            .unwrap()
            .contains("Max-Age=2592000")
    );
    let answer = browser.check_with(&resigned).await;
    assert_eq!((answer.status.as_u16(), answer.set_session()), (200, None));
    assert_eq!(server.database.count("sessions").await, 1);

    let server = server.restart_with(&[NEW]).await;
    let browser = server.browser();
    assert_eq!(browser.check_with(&old).await.reason(), "bad_signature");
    assert_eq!(browser.check_with(&resigned).await.status, 200);
}

async fn an_expired_session_is_not_re_signed(kind: Kind) {
    let old = "the old key: it is as long as it has to be";
    let server = Server::start_with(kind, &[("SECRET_KEY", old)]).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let dead = cookie(&user);
    user.log_out().await;
    let server = server
        .restart_with(&[NEW, ("SECRET_KEY_FALLBACKS", old)])
        .await;
    let answer = server.browser().check_with(&dead).await;
    assert_eq!(
        (answer.reason().as_str(), answer.set_session()),
        ("unknown_session", None)
    );
}

/// A cookie with this content, signed by `key`.
fn signed(key: &str, token: SessionToken) -> String {
    let keys = KeyRing::new(&Secret::signing_key(key).unwrap(), &[]);
    format!("session={}", keys.sign(token))
}

fn token(browser: &Browser) -> SessionToken {
    browser.session().unwrap()[44..].parse().unwrap()
}

const KEY: &str = "the key of them: it is as long as it has to be";

/// Cookies with the secret id alone, signed by the current key and by a fallback.
async fn a_cookie_of_an_older_version_logs_nobody_out(kind: Kind) {
    let fallback = "the key before it: it is as long as it has to be";
    let settings = [("SECRET_KEY", KEY), ("SECRET_KEY_FALLBACKS", fallback)];
    let server = Server::start_with(kind, &settings).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let browser = server.browser();
    for key in [KEY, fallback] {
        let old = signed(key, token(&user).id.into());
        let answer = browser.check_with(&old).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.set_session(), user.session());
    }

    // Whatever changes the session accepts an older cookie, too, and sets a complete one.
    let old = signed(KEY, token(&user).id.into());
    let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    let change = browser.request(reqwest::Method::POST, "/password");
    let change = change.header("cookie", &old).json(&body);
    let changed = browser.send(change).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    let new = format!("session={}", changed.set_session().unwrap());
    let answer = browser.check_with(&new).await;
    assert_eq!((answer.status.as_u16(), answer.set_session()), (200, None));
    let answer = browser.check_with(&old).await;
    assert_eq!(
        (answer.reason().as_str(), answer.set_session()),
        ("unknown_session", None)
    );
}

async fn ids_of_two_sessions_name_none(kind: Kind) {
    let server = Server::start_with(kind, &[("SECRET_KEY", KEY)]).await;
    let [ann, ben] = [server.browser(), server.browser()];
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let mixed = SessionToken {
        id: token(&ann).id,
        ..token(&ben)
    };
    let answer = server.browser().check_with(&signed(KEY, mixed)).await;
    assert_eq!(answer.reason(), "unknown_session");
    for browser in [ann, ben] {
        assert_eq!(browser.check().await.status, 200);
    }
}

/// The request that replaced the session has set a cookie by then.
async fn a_session_that_ends_meanwhile_is_not_re_signed(kind: Kind) {
    let entered = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let app = {
        let (entered, go_on) = (entered.clone(), go_on.clone());
        move |auth: Auth| {
            let wait = async move |CurrentUser(user): CurrentUser| {
                entered.notify_one();
                go_on.notified().await;
                user.username
            };
            let routes = Router::new().route("/wait", get(wait));
            routes.layer(auth.layer()).merge(auth.router())
        }
    };
    let server = Server::start_app(kind, &[("SECRET_KEY", KEY)], app).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let stale = signed(KEY, token(&user).id.into());
    let waiting = {
        let browser = server.browser();
        tokio::spawn(async move { browser.get_with("/wait", &stale).await })
    };
    entered.notified().await;
    user.log_out().await;
    go_on.notify_one();
    let answer = waiting.await.unwrap();
    assert_eq!((answer.text.as_str(), answer.set_session()), ("Ann", None));
}
