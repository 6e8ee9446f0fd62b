//! A new key where there are several nodes: in two rounds, in which each opens what the others close.

use std::time::{Duration, Instant};

use handstamp::auth::keep_purging;
use serde_json::json;

use crate::{
    helpers::{
        AuthenticatorApp, Browser, Database, Kind, MailServer, PASSWORD, STEP, Server,
        on_both_databases,
    },
    mail::outbox::{is_empty, workplace},
};

on_both_databases!(
    nodes_with_both_keys_in_either_order_share_everything,
    a_secret_that_no_key_opens_is_said_to_the_operator,
);

const OLD: &str = "the old key of this test which is long enough";
const SECOND: Duration = Duration::from_secs(1);
const NEW: &str = "the new key of this test which is long enough";

fn cookie(browser: &Browser) -> String {
    format!("session={}", browser.session().unwrap())
}

/// The second round: one node was restarted, the other not yet.
async fn nodes_with_both_keys_in_either_order_share_everything(kind: Kind) {
    let mail = MailServer::start();
    let settings = mail.settings();
    let settings = settings.iter().map(|(name, value)| (&**name, &**value));
    let settings: Vec<_> = settings.collect();
    let keys = |key, fallback| [("SECRET_KEY", key), ("SECRET_KEY_FALLBACKS", fallback)];
    let of_old = Server::start_with(kind, &keys(OLD, NEW)).await;
    let database = Database::at(&of_old.database.url);
    // It alone sends mails, those of the other as well.
    let settings = [&settings[..], &keys(NEW, OLD)].concat();
    let of_new = Server::start_on(database, &settings).await;
    for node in [&of_old, &of_new] {
        node.clock.stop();
    }
    let ahead = of_new.auth.now().since(of_old.auth.now());
    of_old.clock.advance(ahead);

    for (name, here, there) in [("Ann", &of_old, &of_new), ("Ben", &of_new, &of_old)] {
        let step = || {
            for node in [here, there] {
                node.clock.advance(STEP);
            }
        };
        let browser = here.browser();
        browser.sign_up(name).await;
        let begun = browser.post("/totp", json!({})).await.json();
        let app = AuthenticatorApp::new(here, begun["secret"].as_str().unwrap());
        // Made with one key, confirmed by a node whose first key is the other.
        let confirm = there
            .browser()
            .request(reqwest::Method::POST, "/totp/confirm");
        let confirm = confirm.header("cookie", cookie(&browser));
        let confirm = confirm.json(&json!({"code": app.code()}));
        let confirmed = there.browser().send(confirm).await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        for node in [here, there, here] {
            step();
            let other = node.browser();
            assert_eq!(other.log_in_with(name, PASSWORD).await.status, 202);
            let answer = other.send_code(&app.code()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            for checked in [here, there] {
                let answer = checked.browser().check_with(&cookie(&other)).await;
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
        // The other encrypts it again as it starts.
        let before = here.database.rows_as_text("totp_secrets").await;
        let purging = tokio::spawn(keep_purging(there.auth.clone(), 60 * SECOND));
        let start = Instant::now();
        while here.database.rows_as_text("totp_secrets").await == before {
            assert!(start.elapsed() < 10 * SECOND, "it is as it was");
            tokio::time::sleep(SECOND / 100).await;
        }
        purging.abort();
        step();
        let other = here.browser();
        assert_eq!(other.log_in_with(name, PASSWORD).await.status, 202);
        let answer = other.send_code(&app.code()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    is_empty(&of_new.database).await;
}

/// As where nodes were given a new key one after the other, in one round.
async fn a_secret_that_no_key_opens_is_said_to_the_operator(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with(kind, &[("SECRET_KEY", NEW)]).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    let begun = ann.post("/totp", json!({})).await.json();
    let app = AuthenticatorApp::of_system(begun["secret"].as_str().unwrap());
    let confirmed = ann.post("/totp/confirm", json!({"code": app.code()}));
    assert_eq!(confirmed.await.status, 200);
    let database = Database::at(&server.database.url);
    let place = workplace(&database, &mail, &[("SECRET_KEY", OLD)]);
    let process = place.serve();
    let browser = process.browser();
    assert_eq!(browser.log_in_with("Ann", PASSWORD).await.status, 202);
    for _ in 0..3 {
        let answer = browser.send_code(&app.code_in(1)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (503, "unavailable".into())
        );
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    let said = "a second factor cannot be used here";
    process.wait_for_log(said);
    let logs = process.logs();
    let lines = logs.lines().filter(|line| line.contains(said));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{logs}");
    for words in ["ERROR", "SECRET_KEY_FALLBACKS"] {
        assert!(lines[0].contains(words), "{logs}");
    }
    // No wrong code was counted: once the node has the key, the right one counts.
    drop(process);
    let both = workplace(
        &database,
        &mail,
        &[("SECRET_KEY", OLD), ("SECRET_KEY_FALLBACKS", NEW)],
    );
    let process = both.serve();
    let browser = process.browser();
    assert_eq!(browser.log_in_with("Ann", PASSWORD).await.status, 202);
    let answer = browser.send_code(&app.code_in(1)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
