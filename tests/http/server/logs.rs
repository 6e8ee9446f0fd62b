//! What the log contains, and what it never does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Kind, PASSWORD, Workplace, on_both_databases};

on_both_databases!(log_lines_cannot_be_forged, logs_hold_no_secret);

const PRODUCTION: (&str, &str) = ("APP_ENV", "production");

/// A server in production with the most verbose log.
async fn talkative(kind: Kind) -> (Workplace, crate::helpers::Database, String) {
    let key = handstamp::auth::generate_secret_key();
    let database = crate::helpers::Database::new(kind).await;
    let workplace = Workplace::new(&[
        PRODUCTION,
        ("SECRET_KEY", &key),
        ("DATABASE_URL", &database.url),
        ("RUST_LOG", "debug"),
        ("PORT", "0"),
    ]);
    (workplace, database, key)
}

async fn log_lines_cannot_be_forged(kind: Kind) {
    let (workplace, _database, _) = talkative(kind).await;
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let forged = "Ann\n{\"level\":\"INFO\",\"event\":\"forged\"}\r\n\u{1b}[31m\u{2028}";
    for name in [forged, "\u{0}", "\u{202e}nnA"] {
        browser.log_in_with(name, name).await;
        let body = json!({"username": name, "email": name, "password": name});
        browser.post("/signup", body).await;
    }
    browser.get("/x%0a%7B%22event%22:%22forged%22%7D").await;
    let request = browser.request(Method::GET, "/checklogin");
    browser
        .send(request.header("user-agent", "{\"event\":\"forged\"}"))
        .await;
    for line in process.logs().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["timestamp"].is_string(), "{line}");
        assert_ne!(line["event"], "forged");
    }
}

async fn logs_hold_no_secret(kind: Kind) {
    let (workplace, _database, key) = talkative(kind).await;
    let process = workplace.serve();
    let browser = process.browser();
    let answer = browser.sign_up("Ann").await;
    let pair = answer
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    assert_eq!(browser.check_with(pair).await.status, 200);
    browser.log_in_with("Ann", "another secret of hers").await;
    browser.log_in_with("typed where the name goes", "x").await;
    let logs = process.logs();
    assert!(
        logs.contains("\"event\":\"sign_up\"") && logs.contains("\"status\":201"),
        "{logs}"
    );
    let (_, value) = pair.split_once('=').unwrap();
    for secret in [
        &*key,
        PASSWORD,
        "another secret of hers",
        "typed where the name goes",
        value,
        &value[44..],
        &value[66..],
        "$argon2id$",
    ] {
        assert!(!logs.contains(secret), "{secret}: {logs}");
    }
}
