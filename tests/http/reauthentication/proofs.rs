//! What `POST /reauthenticate` does, and that nothing else proves who somebody is.

use std::time::Duration;

use axum::{Router, extract::Path, routing::get};
use handstamp::{Auth, Error, Session, auth::Application};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, Kind, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    it_renews_the_session_in_place,
    the_body_is_that_of_the_session,
    only_the_right_password_of_a_user_is_a_proof,
    a_password_change_is_a_proof,
    nothing_else_moves_the_date,
    logging_out_with_the_id_before_it_logs_out,
    logging_in_with_the_id_before_it_ends_the_session,
    every_proof_and_every_failure_is_recorded,
    it_is_no_login,
);

const WRONG: &str = "a wrong password";
const NEW: &str = "black coffee by noon";
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An app that keeps whatever a page sends in the session.
fn app(auth: &Auth) -> Router {
    let keep = async |session: Session, Path((key, value)): Path<(String, String)>| {
        session.insert(&key, value).await?;
        Ok::<_, Error>(())
    };
    let kept = async |session: Session, Path(key): Path<String>| {
        let value = session.get::<String>(&key).await?;
        Ok::<_, Error>(value.unwrap_or_default())
    };
    Router::new()
        .route("/keep/{key}/{value}", get(keep))
        .route("/kept/{key}", get(kept))
        .layer(auth.layer())
        .merge(auth.routes())
}

async fn dates(browser: &Browser) -> Value {
    browser.session_info().await["session"].clone()
}

async fn it_renews_the_session_in_place(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| app(&auth)).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.log_in("Ann").await;
    browser.get("/keep/colour/blue").await;
    let before = dates(&browser).await;
    let old = format!("session={}", browser.session().unwrap());
    let row = "select previous_id from sessions order by created_at limit 1";
    assert_eq!(server.database.text(row).await, None);

    server.clock.advance(HOUR);
    let answer = browser.reauthenticate(PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let new = answer.set_session().unwrap();
    assert_ne!(format!("session={new}"), old);
    assert_eq!(browser.check_with(&old).await.reason(), "unknown_session");
    let grant = browser.send_with(Method::DELETE, "/sessions", &old).await;
    assert_eq!(grant.reason(), "unknown_session", "no grant for the old id");
    assert_eq!(browser.check().await.status, 200);
    assert_eq!(other.check().await.status, 200, "others live on");

    let after = dates(&browser).await;
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["created_at"], before["created_at"]);
    assert_ne!(after["authenticated_at"], before["authenticated_at"]);
    assert_eq!(browser.get("/kept/colour").await.text, "blue");
    assert_eq!(browser.get("/kept/username").await.text, "Ann");
    assert_eq!(server.database.count("sessions").await, 2);
}

async fn the_body_is_that_of_the_session(kind: Kind) {
    let server = Server::start(kind).await;
    server.clock.stop();
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server.clock.advance(HOUR);
    let answer = browser.reauthenticate(PASSWORD).await;
    let info = browser.session_info().await;
    assert_eq!(answer.json(), info);
    assert_eq!(info["user"], browser.check().await.json());
    let required_after = info["reauthentication"]["required_after"].as_str().unwrap();
    assert!(required_after > info["session"]["authenticated_at"].as_str().unwrap());
}

async fn only_the_right_password_of_a_user_is_a_proof(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let before = dates(&browser).await;
    let refused = browser.reauthenticate(WRONG).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.code(), "bad_credentials");
    assert_eq!(refused.header("set-cookie"), None);
    for body in [json!({}), json!({"password": ""})] {
        let answer = browser.post("/reauthenticate", body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors, json!({"password": ["is required"]}));
    }
    let of_another_type = json!({"password": [PASSWORD]});
    let answer = browser.post("/reauthenticate", of_another_type).await;
    assert_eq!(answer.code(), "invalid");
    assert_eq!(dates(&browser).await, before);

    let visitor = server.browser();
    for body in [json!({"password": PASSWORD}), json!({})] {
        let answer = visitor.post("/reauthenticate", body).await;
        assert_eq!(answer.reason(), "no_cookie");
    }
    server
        .accounts()
        .add(Application::new("Cyd"))
        .await
        .unwrap();
    let cyd = server.browser();
    cyd.log_in_by_name("Cyd").await;
    for password in [PASSWORD, "anything at all"] {
        let answer = cyd.reauthenticate(password).await;
        assert_eq!(answer.code(), "bad_credentials");
        assert_eq!(answer.text, refused.text, "indistinguishable");
    }
    let request = browser.request(Method::POST, "/reauthenticate");
    let request = request.header("origin", "https://evil.example");
    let answer = browser.send(request.json(&json!({"password": PASSWORD})));
    assert_eq!(answer.await.code(), "cross_site");
    assert_eq!(dates(&browser).await, before);
}

async fn a_password_change_is_a_proof(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    let before = dates(&browser).await;
    server.clock.advance(HOUR);
    assert_eq!(browser.delete("/sessions").await.status, 403);
    let wrong = json!({"current_password": WRONG, "new_password": NEW});
    assert_eq!(browser.post("/password", wrong).await.status, 400);
    assert_eq!(
        dates(&browser).await["authenticated_at"],
        before["authenticated_at"]
    );
    let right = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(
        browser.post("/password", right).await.status,
        204,
        "it never asks"
    );
    let after = dates(&browser).await;
    assert_eq!(after["id"], before["id"]);
    assert_ne!(after["authenticated_at"], before["authenticated_at"]);
    other.log_in_with("Ann", NEW).await;
    assert_eq!(browser.delete("/sessions").await.status, 204);
    assert_eq!(other.check().await.reason(), "unknown_session");
}

/// Whatever a page sends, and whatever happens to the account meanwhile.
async fn nothing_else_moves_the_date(kind: Kind) {
    let old_key = "the key of the year before that is long enough";
    let old_settings = [("SECRET_KEY", old_key), ("SESSIONS_PER_USER", "3")];
    let server = Server::start_app(kind, &old_settings, |auth| app(&auth)).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let proved = dates(&browser).await["authenticated_at"].clone();
    let first = format!("session={}", browser.session().unwrap());
    server.clock.advance(HOUR);
    let is_as_before = async |browser: &Browser, what: &str| {
        let session = dates(browser).await;
        assert_eq!(session["authenticated_at"], proved, "{what}");
        assert_eq!(browser.delete("/sessions").await.status, 403, "{what}");
    };

    for key in ["authenticated_at", "session.authenticated_at", "user_id"] {
        let path = format!("/keep/{key}/2999-01-01T00:00:00Z");
        assert_eq!(browser.get(&path).await.status, 200);
    }
    is_as_before(&browser, "values of handlers").await;
    let more = json!({
        "password": WRONG,
        "authenticated_at": "2999-01-01T00:00:00Z",
        "session": {"authenticated_at": "2999-01-01T00:00:00Z"},
    });
    assert_eq!(browser.post("/reauthenticate", more).await.status, 400);
    is_as_before(&browser, "a failure with more fields").await;
    for _ in 0..3 {
        server.clock.advance(HOUR);
        assert_eq!(browser.check_with(&first).await.status, 200);
        assert_eq!(browser.get("/sessions").await.status, 200);
    }
    is_as_before(&browser, "uses, also of a copied cookie").await;
    let other = server.browser();
    other.log_in("Ann").await;
    assert_eq!(other.reauthenticate(PASSWORD).await.status, 200);
    is_as_before(&browser, "a login and a proof on another session").await;
    let ann = find_user(server.accounts(), "Ann").await;
    let renamed = server.accounts().change_username(&ann, "Anna").await;
    let renamed = renamed.unwrap();
    let address = server
        .accounts()
        .change_email(&renamed, Some("a@example.com"));
    address.await.unwrap();
    is_as_before(&browser, "a changed name and address").await;

    // The cookie is re-signed by a server that has another key now.
    let new = [("SECRET_KEY_FALLBACKS", old_key)];
    let server = Server::start_app_on(server.database, &new, |auth| app(&auth)).await;
    server.clock.advance(5 * HOUR);
    let browser = server.browser();
    let resigned = browser.get_with("/session", &first).await;
    let cookie = format!("session={}", resigned.set_session().unwrap());
    assert_ne!(cookie, first);
    let session = browser.get_with("/session", &cookie).await.json()["session"].clone();
    assert_eq!(session["authenticated_at"], proved);
    let ends = browser
        .send_with(Method::DELETE, "/sessions", &cookie)
        .await;
    assert_eq!(ends.code(), "reauthentication_required");
}

async fn logging_out_with_the_id_before_it_logs_out(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let old = format!("session={}", browser.session().unwrap());
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(browser.check().await.status, 200);
    // As a logout does that was sent before the response.
    let log_out = browser.send_with(Method::DELETE, "/logout", &old).await;
    assert_eq!(log_out.status, 200);
    assert_eq!(browser.check().await.reason(), "unknown_session");
    assert_eq!(browser.session_info().await["session"], Value::Null);
    assert_eq!(browser.delete("/sessions").await.status, 401);
}

/// As a login does that was sent before the response, by somebody else on the same browser.
async fn logging_in_with_the_id_before_it_ends_the_session(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.sign_up("Ben").await;
    other.log_out().await;
    for name in ["Ann", "Ben"] {
        browser.log_in("Ann").await;
        let old = format!("session={}", browser.session().unwrap());
        assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
        assert_eq!(browser.check().await.status, 200);
        let bare = server.browser();
        let request = bare.request(Method::POST, "/login").header("cookie", &old);
        let login = json!({"username": name, "password": PASSWORD});
        let answer = bare.send(request.json(&login)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(browser.check().await.reason(), "unknown_session", "{name}");
    }
}

async fn every_proof_and_every_failure_is_recorded(kind: Kind) {
    let limit = [("LOGIN_FAILURES_PER_ACCOUNT", "2/15m")];
    let server = Server::start_with(kind, &limit).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    let refused = browser.reauthenticate(WRONG).await;
    browser.reauthenticate(WRONG).await;
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 429);
    let long_ago = time::OffsetDateTime::UNIX_EPOCH.into();
    let events = server
        .accounts()
        .audit_events(None, long_ago, uuid::Uuid::nil(), 100);
    let events = events.await.unwrap();
    let told: Vec<_> = events
        .iter()
        .map(|event| (&*event.event, &*event.outcome, event.reason.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("sign_up", "success", None),
            ("reauthenticate", "success", None),
            ("reauthenticate", "failure", Some("wrong_password")),
            ("reauthenticate", "failure", Some("wrong_password")),
            ("lock_out", "failure", Some("account_limit")),
        ]
    );
    let failure = &events[2];
    assert_eq!(failure.username.as_deref(), Some("Ann"));
    assert_eq!(failure.ip.as_deref(), Some("127.0.0.1"));
    let request_id = refused.header("x-request-id");
    assert_eq!(failure.request_id.as_deref(), request_id);
}

/// The last login stays, the session's age as well, and metrics count no login.
async fn it_is_no_login(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSION_ABSOLUTE_TIMEOUT", "2h")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let account = async || {
        let found = server.accounts().find_by_username("Ann").await;
        found.unwrap().unwrap().last_login_at
    };
    let (last_login, logins) = (account().await, server.auth.statistics().logins.success);
    server.clock.advance(HOUR);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(account().await, last_login);
    assert_eq!(server.auth.statistics().logins.success, logins);
    server.clock.advance(HOUR);
    assert_eq!(browser.check().await.reason(), "expired");
}
