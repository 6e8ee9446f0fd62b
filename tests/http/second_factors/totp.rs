//! Codes of an authenticator app, and recovery codes.

use std::time::Duration;

use handstamp::auth::keep_purging;
use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    AuthenticatorApp, Kind, PASSWORD, STEP, Server, TwoSteps, find_user, on_both_databases,
    recovery_codes,
};

on_both_databases!(
    nothing_is_on_until_it_is_confirmed,
    a_code_counts_once_and_with_a_step_of_drift,
    a_recovery_code_counts_once,
    new_recovery_codes_replace_the_old,
    another_app_replaces_the_first_when_it_is_confirmed,
    turned_off_a_login_takes_one_step,
    every_change_asks_for_a_recent_proof,
    a_rotated_key_still_reads_secrets,
    an_old_key_can_be_taken_away,
    a_secret_has_to_be_confirmed_within_an_hour,
    a_new_password_ends_an_unconfirmed_secret,
    the_database_shows_no_secret,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn nothing_is_on_until_it_is_confirmed(kind: Kind) {
    let server = Server::start(kind).await;
    server.clock.stop();
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let off = json!({"enabled": false, "recovery_codes_left": 0});
    assert_eq!(browser.get("/totp").await.json(), off);
    let early = browser.post("/totp/confirm", json!({"code": "123456"}));
    assert_eq!(early.await.code(), "bad_code", "there is no secret");
    assert_eq!(browser.post("/recovery-codes", json!({})).await.status, 404);

    let begun = browser.post("/totp", json!({})).await;
    assert_eq!(begun.header("cache-control"), Some("no-store"));
    let begun = begun.json();
    let secret = begun["secret"].as_str().unwrap();
    let uri = begun["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/localhost:Ann?"), "{uri}");
    assert!(uri.contains(secret), "{uri}");
    let app = AuthenticatorApp::new(&server, secret);
    for code in [&*app.wrong_code(), "12345", "abcdef", "１２３４５６"] {
        let answer = browser.post("/totp/confirm", json!({"code": code})).await;
        assert_eq!(answer.code(), "bad_code", "{code}");
    }
    let empty = browser.post("/totp/confirm", json!({})).await;
    assert_eq!(empty.json()["errors"], json!({"code": ["is required"]}));
    assert_eq!(browser.get("/totp").await.json(), off);
    assert_eq!(server.browser().log_in("Ann").await.status, 200);

    let confirmed = browser.post("/totp/confirm", json!({"code": app.code()}));
    recovery_codes(&confirmed.await);
    let on = json!({"enabled": true, "recovery_codes_left": 10});
    assert_eq!(browser.get("/totp").await.json(), on);
    assert_eq!(browser.check().await.status, 200, "it ends no session");
    let again = browser.post("/totp/confirm", json!({"code": app.code_in(1)}));
    assert_eq!(again.await.code(), "bad_code", "it was confirmed already");
    let answer = server.browser().log_in_with("Ann", PASSWORD).await;
    assert_eq!(answer.status, 202);
    let next = json!({"next": "second_factor", "methods": ["totp", "recovery_code"]});
    assert_eq!(answer.json(), next);
}

async fn a_code_counts_once_and_with_a_step_of_drift(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    let used_to_confirm = ann.app.code_in(-1);
    for code in [used_to_confirm, ann.app.code_in(-2), ann.app.code_in(2)] {
        assert_eq!(browser.send_code(&code).await.code(), "bad_code");
    }
    let code = ann.app.code();
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    let answer = browser.send_code(&spaced).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), browser.check().await.json());
    let browser = ann.first_step("Ann").await;
    assert_eq!(browser.send_code(&code).await.code(), "bad_code", "used");

    // One step ahead, and then none before it.
    assert_eq!(browser.send_code(&ann.app.code_in(1)).await.status, 200);
    let browser = ann.first_step("Ann").await;
    server.clock.advance(STEP);
    assert_eq!(browser.send_code(&ann.app.code()).await.code(), "bad_code");
    server.clock.advance(2 * STEP);
    let late = ann.app.code_in(-1);
    assert_eq!(browser.send_code(&late).await.status, 200, "one step late");
}

async fn a_recovery_code_counts_once(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let browser = ann.first_step("Ann").await;
    let of_ben = &ben.recovery_codes[0];
    assert_eq!(browser.send_recovery_code(of_ben).await.code(), "bad_code");
    let as_a_code = browser.send_code(&ann.recovery_codes[0]).await;
    assert_eq!(as_a_code.code(), "bad_code");
    let typed = ann.recovery_codes[0].to_uppercase().replace('-', " ");
    let answer = browser.send_recovery_code(&typed).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(browser.check().await.json()["username"], "Ann");
    let state = browser.get("/totp").await.json();
    assert_eq!(state, json!({"enabled": true, "recovery_codes_left": 9}));

    let browser = ann.first_step("Ann").await;
    let again = browser.send_recovery_code(&ann.recovery_codes[0]).await;
    assert_eq!(again.code(), "bad_code");
    let other = browser.send_recovery_code(&ann.recovery_codes[9]).await;
    assert_eq!(other.status, 200);
}

async fn new_recovery_codes_replace_the_old(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let new = recovery_codes(&ann.browser.post("/recovery-codes", json!({})).await);
    let browser = ann.first_step("Ann").await;
    let old = &ann.recovery_codes[0];
    assert_eq!(browser.send_recovery_code(old).await.code(), "bad_code");
    assert_eq!(browser.send_recovery_code(&new[0]).await.status, 200);
}

async fn another_app_replaces_the_first_when_it_is_confirmed(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let begun = ann.browser.post("/totp", json!({})).await.json();
    let browser = ann.first_step("Ann").await;
    assert_eq!(browser.send_code(&ann.app.code()).await.status, 200);

    let app = AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap());
    let confirm = json!({"code": app.code()});
    let confirmed = ann.browser.post("/totp/confirm", confirm).await;
    let new = recovery_codes(&confirmed);
    server.clock.advance(STEP);
    let browser = ann.first_step("Ann").await;
    let old = browser.send_code(&ann.app.code()).await;
    assert_eq!(old.code(), "bad_code");
    let old = browser.send_recovery_code(&ann.recovery_codes[0]).await;
    assert_eq!(old.code(), "bad_code");
    assert_eq!(browser.send_code(&app.code()).await.status, 200);
    let browser = ann.first_step("Ann").await;
    assert_eq!(browser.send_recovery_code(&new[0]).await.status, 200);
}

async fn turned_off_a_login_takes_one_step(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let half_done = ann.first_step("Ann").await;
    assert_eq!(ann.browser.delete("/totp").await.status, 204);
    assert_eq!(ann.browser.delete("/totp").await.status, 204, "again");
    let code = ann.app.code();
    assert_eq!(half_done.send_code(&code).await.reason(), "unknown_session");
    assert_eq!(ann.browser.check().await.status, 200);
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
    for table in ["totp_secrets", "recovery_codes", "half_logins"] {
        assert_eq!(server.database.count(table).await, 0, "{table}");
    }
}

async fn every_change_asks_for_a_recent_proof(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    server.clock.advance(HOUR);
    let changes = [
        (Method::POST, "/totp"),
        (Method::POST, "/totp/confirm"),
        (Method::POST, "/recovery-codes"),
        (Method::DELETE, "/totp"),
    ];
    let visitor = server.browser();
    for (method, path) in &changes {
        let send = async |from: &crate::helpers::Browser| {
            let request = from.request(method.clone(), path);
            from.send(request.json(&json!({"code": "123456"}))).await
        };
        let answer = send(&ann.browser).await;
        assert_eq!(answer.code(), "reauthentication_required", "{path}");
        assert_eq!(answer.json()["methods"], json!(["password"]), "{path}");
        assert_eq!(send(&visitor).await.reason(), "no_cookie", "{path}");
    }
    assert_eq!(ann.browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(ann.browser.delete("/totp").await.status, 204);
}

async fn a_rotated_key_still_reads_secrets(kind: Kind) {
    const OLD: &str = "the first key of this test which is long enough";
    const NEW: (&str, &str) = (
        "SECRET_KEY",
        "another key of this test which is long enough",
    );
    let server = Server::start_with(kind, &[("SECRET_KEY", OLD)]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let sealed = "select hex(sealed) from totp_secrets";
    let sealed = match kind {
        Kind::Sqlite => sealed,
        _ => "select encode(sealed, 'hex') from totp_secrets",
    };
    let before = server.database.text(sealed).await;

    let settings = [NEW, ("SECRET_KEY_FALLBACKS", OLD)];
    let server = server.restart_with(&settings).await;
    let log_in = async |server: &Server| {
        let app = ann.app.at(server);
        let browser = server.browser();
        assert_eq!(browser.log_in_with("Ann", PASSWORD).await.status, 202);
        browser.send_code(&app.code()).await
    };
    server.clock.advance(10 * STEP);
    assert_eq!(log_in(&server).await.status, 200);
    let after = server.database.text(sealed).await;
    assert_ne!(after, before, "encrypted again");

    let server = server.restart_with(&[NEW]).await;
    server.clock.advance(20 * STEP);
    assert_eq!(log_in(&server).await.status, 200, "without the old key");
}

/// Nobody has logged in between.
async fn an_old_key_can_be_taken_away(kind: Kind) {
    const OLD: &str = "the first key of this test which is long enough";
    const NEW: (&str, &str) = (
        "SECRET_KEY",
        "another key of this test which is long enough",
    );
    let server = Server::start_with(kind, &[("SECRET_KEY", OLD)]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let server = server
        .restart_with(&[NEW, ("SECRET_KEY_FALLBACKS", OLD)])
        .await;
    let before = server.database.rows_as_text("totp_secrets").await;
    let purging = tokio::spawn(keep_purging(server.auth.clone(), Duration::from_secs(60)));
    for _ in 0..500 {
        if server.database.rows_as_text("totp_secrets").await != before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    purging.abort();
    let server = server.restart_with(&[NEW]).await;
    server.clock.advance(20 * STEP);
    let browser = server.browser();
    assert_eq!(browser.log_in_with("Ann", PASSWORD).await.status, 202);
    let answer = browser.send_code(&ann.app.at(&server).code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn a_secret_has_to_be_confirmed_within_an_hour(kind: Kind) {
    let server = Server::start(kind).await;
    server.clock.stop();
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let begun = browser.post("/totp", json!({})).await.json();
    let app = AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap());
    server.clock.advance(HOUR);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    let late = browser.post("/totp/confirm", json!({"code": app.code()}));
    assert_eq!(late.await.code(), "bad_code");
}

/// A thief may have begun to set an app up.
async fn a_new_password_ends_an_unconfirmed_secret(kind: Kind) {
    const NEW: &str = "black coffee by noon";
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let begin = async || {
        let begun = browser.post("/totp", json!({})).await.json();
        AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap())
    };
    let app = begin().await;
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(browser.post("/password", change).await.status, 204);
    let answer = browser.post("/totp/confirm", json!({"code": app.code()}));
    assert_eq!(answer.await.code(), "bad_code");

    let app = begin().await;
    let user = find_user(server.accounts(), "Ann").await;
    let set = server.accounts().set_password(&user, PASSWORD.to_owned());
    set.await.unwrap();
    assert_eq!(browser.log_in("Ann").await.status, 200);
    let answer = browser.post("/totp/confirm", json!({"code": app.code()}));
    assert_eq!(answer.await.code(), "bad_code");
    assert_eq!(server.database.count("totp_secrets").await, 0);

    // One that is in use stays.
    let app = begin().await;
    let confirmed = browser.post("/totp/confirm", json!({"code": app.code()}));
    recovery_codes(&confirmed.await);
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(browser.post("/password", change).await.status, 204);
    assert_eq!(server.browser().log_in_with("Ann", NEW).await.status, 202);
}

async fn the_database_shows_no_secret(kind: Kind) {
    let server = Server::start(kind).await;
    server.clock.stop();
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let begun = browser.post("/totp", json!({})).await.json();
    let secret = begun["secret"].as_str().unwrap();
    let app = AuthenticatorApp::new(&server, secret);
    let confirm = json!({"code": app.code()});
    let codes = recovery_codes(&browser.post("/totp/confirm", confirm).await);
    // Also while another secret waits to be confirmed, and a login for its code.
    let begun = browser.post("/totp", json!({})).await.json();
    let other = begun["secret"].as_str().unwrap();
    let half_done = server.browser();
    assert_eq!(half_done.log_in_with("Ann", PASSWORD).await.status, 202);
    half_done
        .send_recovery_code(&codes[1].replace('1', "2"))
        .await;
    let again = server.browser();
    assert_eq!(again.log_in_with("Ann", PASSWORD).await.status, 202);
    assert_eq!(again.send_recovery_code(&codes[0]).await.status, 200);
    let mut hidden: Vec<String> = codes.iter().map(|code| code.replace('-', "")).collect();
    hidden.extend(codes);
    for secret in [secret, other] {
        let bytes = totp_rs::Secret::try_from_base32(secret).unwrap();
        let hex = bytes.as_bytes().iter().map(|byte| format!("{byte:02x}"));
        hidden.extend([secret.to_lowercase(), hex.collect()]);
    }
    let tables = server.database.tables().await;
    assert!(tables.iter().any(|table| table == "totp_secrets"));
    for table in tables {
        let rows = server.database.rows_as_text(&table).await.to_lowercase();
        for secret in &hidden {
            assert!(!rows.contains(secret), "{table}");
        }
    }
}
