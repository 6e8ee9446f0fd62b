//! What APP_ENV=production requires.

use reqwest::Method;

use crate::helpers::{Kind, Server, Workplace, on_both_databases};

on_both_databases!(
    production_cookies_are_secure_and_host_bound,
    production_responses_are_for_https_alone,
    weak_and_published_keys_are_refused,
    a_weak_fallback_is_warned_about,
    passwordless_login_is_refused_in_production,
);

const PRODUCTION: (&str, &str) = ("APP_ENV", "production");

async fn production_cookies_are_secure_and_host_bound(kind: Kind) {
    let server = Server::start_with(kind, &[PRODUCTION]).await;
    let browser = server.browser();
    let set = browser.sign_up("Ann").await;
    let set = set.header("set-cookie").unwrap();
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-session="), "{set}");
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000"
    );
    assert_eq!(browser.check_with(pair).await.status, 200);
    let plain = pair.strip_prefix("__Host-").unwrap();
    let answer = browser.check_with(plain).await;
    assert_eq!(answer.reason(), "no_cookie", "the name is part of it");
    let request = browser
        .request(Method::DELETE, "/logout")
        .header("cookie", pair);
    let removal = browser.send(request).await;
    assert_eq!(
        removal.header("set-cookie"),
        Some("__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0")
    );
}

async fn production_responses_are_for_https_alone(kind: Kind) {
    let server = Server::start_with(kind, &[PRODUCTION]).await;
    let browser = server.browser();
    for path in [
        "/checklogin",
        "/",
        "/openapi.json",
        "/not-there",
        "/healthz",
    ] {
        let answer = browser.get(path).await;
        let hsts = answer.header("strict-transport-security");
        assert_eq!(hsts, Some("max-age=31536000"), "{path}");
    }
    let development = Server::start(kind).await;
    let answer = development.browser().check().await;
    assert_eq!(answer.header("strict-transport-security"), None);
}

/// Starts the server with settings that it must refuse; returns its errors.
async fn refusal(kind: Kind, settings: &[(&str, &str)]) -> String {
    let database = crate::helpers::Database::new(kind).await;
    let mut workplace = Workplace::new(&[("DATABASE_URL", &database.url), ("PORT", "0")]);
    for (name, value) in settings {
        workplace.set(name, value);
    }
    let output = workplace.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

async fn weak_and_published_keys_are_refused(kind: Kind) {
    for key in [
        "",
        "short",
        "blahblahblahblahblahblahblahblahblah",
        &"ab".repeat(20),
        "change-me-please-change-me-please",
        "0123456789abcdef0123456789abcdef",
    ] {
        let said = refusal(kind, &[PRODUCTION, ("SECRET_KEY", key)]).await;
        assert!(said.starts_with("SECRET_KEY: "), "{said}");
        assert!(key.is_empty() || !said.contains(key), "{said}");
    }
}

async fn a_weak_fallback_is_warned_about(kind: Kind) {
    let database = crate::helpers::Database::new(kind).await;
    let key = handstamp::auth::generate_secret_key();
    let weak = "change-me-please-change-me-please";
    let workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        PRODUCTION,
        ("SECRET_KEY", &key),
        ("SECRET_KEY_FALLBACKS", weak),
    ]);
    let process = workplace.serve();
    process.wait_for_log("SECRET_KEY_FALLBACKS holds a key that can be guessed");
    assert!(!process.logs().contains(weak));
}

async fn passwordless_login_is_refused_in_production(kind: Kind) {
    let key = handstamp::auth::generate_secret_key();
    let settings = [
        PRODUCTION,
        ("SECRET_KEY", &*key),
        ("PASSWORDLESS_LOGIN", "on"),
    ];
    let said = refusal(kind, &settings).await;
    assert_eq!(said, "PASSWORDLESS_LOGIN: must be off in production\n");
    let server = Server::start_with(kind, &[PRODUCTION]).await;
    server.browser().sign_up("Ann").await;
    server
        .database
        .execute("update users set password_hash = null")
        .await;
    let answer = server.browser().log_in_by_name("Ann").await;
    assert_eq!(answer.code(), "bad_credentials");
}
