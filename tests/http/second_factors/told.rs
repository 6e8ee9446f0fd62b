//! What users and operators learn of second factors, and what an operator does.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    helpers::{
        Answer, Authenticator, AuthenticatorApp, Browser, Database, Kind, MailServer, PASSWORD,
        STEP, Server, TwoSteps, find_user, on_both_databases, succeeded,
    },
    mail::{
        outbox::{is_empty, workplace},
        verification::verify,
    },
};

on_both_databases!(
    every_change_is_told_by_mail,
    every_step_is_recorded,
    an_operator_resets_a_lost_second_factor,
    logins_are_counted_once,
    a_name_that_stays_is_no_change,
    every_kind_of_notice_is_limited,
    many_harmless_notices_hide_no_other,
    nobodys_words_reach_an_address_that_is_not_verified,
);

const ANN: &str = "ann@example.com";

async fn every_change_is_told_by_mail(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let on = mail.with_subject(ANN, "Two-step login was turned on").await;
    assert!(on.text().contains("in your account at"), "{on:?}");
    ann.browser.post("/recovery-codes", json!({})).await;
    mail.with_subject(ANN, "Your recovery codes were replaced")
        .await;
    let accounts = server.accounts();
    let user = find_user(accounts, "Ann").await;
    accounts.reset_second_factor(&user).await.unwrap();
    mail.with_subject(ANN, "An operator has turned two-step login off")
        .await;

    let ann = TwoSteps::turn_on(&server, ann.browser).await;
    let browser = ann.first_step("Ann").await;
    browser.send_recovery_code(&ann.recovery_codes[0]).await;
    mail.with_subject(ANN, "A recovery code was used").await;
    assert_eq!(browser.delete("/totp").await.status, 204);
    mail.with_subject(ANN, "Two-step login was turned off")
        .await;
    let mails = mail.received_by(ANN);
    let text = format!("{mails:?}");
    assert!(!ann.recovery_codes.iter().any(|code| text.contains(code)));
}

async fn events(server: &Server) -> Vec<(String, String, Value)> {
    let accounts = server.accounts();
    let start = handstamp::clock::Timestamp::from_unix_micros(0);
    let events = accounts
        .audit_events(None, start, uuid::Uuid::nil(), 1_000)
        .await;
    let events = events.unwrap().into_iter();
    events
        .map(|event| (event.event, event.outcome, json!(event.reason)))
        .collect()
}

async fn every_step_is_recorded(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "1/15m")]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    browser.send_recovery_code(&ann.recovery_codes[0]).await;
    browser.post("/recovery-codes", json!({})).await;
    let half_done = ann.first_step("Ann").await;
    half_done.send_code(&ann.app.wrong_code()).await;
    browser.delete("/totp").await;
    let happened =
        |event: &str, outcome: &str, reason: Value| (event.to_owned(), outcome.to_owned(), reason);
    let success = |event| happened(event, "success", json!(null));
    let expected = [
        success("sign_up"),
        success("enable_totp"),
        success("begin_log_in"),
        success("use_recovery_code"),
        success("log_in"),
        success("renew_recovery_codes"),
        success("begin_log_in"),
        happened("log_in", "failure", json!("wrong_code")),
        happened("lock_out", "failure", json!("code_limit")),
        success("disable_totp"),
    ];
    assert_eq!(events(&server).await, expected);
}

async fn an_operator_resets_a_lost_second_factor(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let process = place.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let begun = browser.post("/totp", json!({})).await.json();
    let app = AuthenticatorApp::of_system(begun["secret"].as_str().unwrap());
    let confirm = json!({"code": app.code()});
    let confirmed = browser.post("/totp/confirm", confirm).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    let other = process.browser();
    assert_eq!(other.log_in_with("Ann", PASSWORD).await.status, 202);

    let output = place.run(&["user", "reset-second-factor", "ann"]);
    assert_eq!(succeeded(&output), "Ann logs in without a code now\n");
    mail.with_subject(ANN, "An operator has turned two-step login off")
        .await;
    let answer = other.send_code(&app.code_in(1)).await;
    assert_eq!(answer.reason(), "unknown_session");
    assert_eq!(other.log_in_with("Ann", PASSWORD).await.status, 200);
    assert_eq!(browser.check().await.status, 200, "sessions go on");
    let output = place.run(&["user", "reset-second-factor", "Ann"]);
    assert_eq!(succeeded(&output), "Ann has no second factor\n");
    let events = succeeded(&place.run(&["audit", "--user", "Ann"]));
    assert_eq!(events.matches("reset_second_factor").count(), 1, "{events}");
}

async fn logins_are_counted_once(kind: Kind) {
    let counted = std::sync::Arc::new(std::sync::OnceLock::new());
    let keep = counted.clone();
    let server = Server::start_app(kind, &[], move |auth| {
        keep.get_or_init(|| auth.clone());
        auth.router()
    })
    .await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    browser.send_code(&ann.app.wrong_code()).await;
    browser.send_code(&ann.app.code()).await;
    server.clock.advance(STEP);
    let logins = counted.get().unwrap().statistics().logins;
    assert_eq!((logins.success, logins.bad_credentials), (1, 1));
}

async fn start(kind: Kind, mail: &MailServer, limit: &str) -> Server {
    let settings = [
        ("PUBLIC_URL", "http://localhost:5000"),
        ("MAILS_PER_ACCOUNT", limit),
    ];
    Server::start_with_mail(kind, mail, &settings).await
}

async fn rename(browser: &Browser, id: &Value, name: &str) -> Answer {
    let path = format!("/passkeys/{}", id.as_str().unwrap());
    let request = browser.request(Method::PATCH, &path);
    let renamed = browser.send(request.json(&json!({"name": name}))).await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    renamed
}

async fn add(browser: &Browser) -> Value {
    let added = browser.add_passkey(&mut Authenticator::default()).await;
    assert_eq!(added.status, 201, "{added:?}");
    added.json()["id"].clone()
}

/// How many mails to Ann, beside the link of the sign-up, there are once all are sent.
async fn notices(server: &Server, mail: &MailServer) -> usize {
    is_empty(&server.database).await;
    let mut received = mail.received_by(ANN);
    received.retain(|mail| !mail.subject().contains("Confirm"));
    received.len()
}

async fn a_name_that_stays_is_no_change(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail, "unlimited").await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let id = add(&browser).await;
    let renamed = rename(&browser, &id, "Mine").await.json();
    for name in ["Mine", "  Mine "] {
        assert_eq!(rename(&browser, &id, name).await.json(), renamed);
    }
    let events = "audit_events where event = 'rename_passkey'";
    assert_eq!(server.database.count(events).await, 1);
    assert_eq!(notices(&server, &mail).await, 2, "added, and renamed once");
}

async fn every_kind_of_notice_is_limited(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail, "2/1h").await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let id = add(&browser).await;
    for name in ["One", "Two", "Three"] {
        rename(&browser, &id, name).await;
    }
    assert_eq!(notices(&server, &mail).await, 1 + 2, "added, and renamed");
    for _ in 0..2 {
        add(&browser).await;
    }
    assert_eq!(notices(&server, &mail).await, 2 + 2);

    let mail = MailServer::start();
    let server = start(kind, &mail, "2/1h").await;
    let mut ann = TwoSteps::sign_up(&server, "Ann").await;
    for _ in 0..2 {
        let renewed = ann.browser.post("/recovery-codes", json!({})).await;
        assert_eq!(renewed.status, 200);
        assert_eq!(ann.browser.delete("/totp").await.status, 204);
        ann = TwoSteps::turn_on(&server, ann.browser).await;
    }
    // On, off, and new recovery codes.
    assert_eq!(notices(&server, &mail).await, 2 + 2 + 2);
    assert_eq!(ann.browser.delete("/totp").await.status, 204);
    assert_eq!(notices(&server, &mail).await, 2 + 2 + 2);
    // What they are of is done, and recorded.
    let events = "audit_events where event = 'disable_totp'";
    assert_eq!(server.database.count(events).await, 3);
}

async fn many_harmless_notices_hide_no_other(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail, "5/1h").await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&browser, &link.token()).await.status, 204);
    let id = add(&browser).await;
    for number in 0..6 {
        rename(&browser, &id, &format!("Mine, {number}")).await;
    }
    let thiefs = add(&browser).await;
    rename(&browser, &thiefs, "Of a thief").await;
    assert_eq!(notices(&server, &mail).await, 2 + 5);
    let told = |subject: &str| {
        let mut told = mail.received_by(ANN);
        told.retain(|mail| mail.subject().contains(subject));
        told
    };
    assert_eq!(told("A passkey was added").len(), 2);
    // What takes something away, and what somebody did who knows the password.
    let path = format!("/passkeys/{}", add(&browser).await.as_str().unwrap());
    assert_eq!(browser.delete(&path).await.status, 204);
    let ann = TwoSteps::turn_on(&server, browser).await;
    let thief = ann.first_step("Ann").await;
    let used = thief.send_recovery_code(&ann.recovery_codes[0]).await;
    assert_eq!(used.status, 200);
    let browser = ann.browser;
    assert_eq!(browser.delete("/totp").await.status, 204);
    let others = 1 + 4;
    assert_eq!(notices(&server, &mail).await, 2 + 5 + others);
    for subject in [
        "A passkey was deleted",
        "A recovery code was used",
        "Two-step login was turned off",
    ] {
        assert_eq!(told(subject).len(), 1, "{subject}");
    }
    let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    assert_eq!(browser.post("/password", body).await.status, 204);
    assert_eq!(notices(&server, &mail).await, 2 + 5 + others + 1);
    let changed = told("password was changed");
    assert!(changed[0].text().contains("“Of a thief”"), "{changed:?}");
}

async fn nobodys_words_reach_an_address_that_is_not_verified(kind: Kind) {
    let mail = MailServer::start();
    let server = start(kind, &mail, "unlimited").await;
    let stranger = server.browser();
    let body = json!({"username": "evil.example", "email": ANN, "password": PASSWORD});
    assert_eq!(stranger.post("/signup", body).await.status, 201);
    let id = add(&stranger).await;
    rename(&stranger, &id, "Evil news for Ann").await;
    let new = "black coffee by noon";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    assert_eq!(stranger.post("/password", body).await.status, 204);
    assert_eq!(notices(&server, &mail).await, 3);
    for mail in mail.received_by(ANN) {
        let said = format!("{} {} {}", mail.subject(), mail.text(), mail.html());
        assert!(!said.to_lowercase().contains("evil"), "{said}");
    }

    // Once it is known whose it is, names are told, but none that a mail program makes a link of.
    let again = stranger.post("/email/verification", json!(null)).await;
    assert_eq!(again.status, 202);
    is_empty(&server.database).await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&stranger, &link.token()).await.status, 204);
    rename(&stranger, &id, "Log in at evil.example/now").await;
    rename(&stranger, &id, "Phone 2.0").await;
    is_empty(&server.database).await;
    let mut told = mail.received_by(ANN);
    told.retain(|mail| mail.subject().contains("renamed"));
    assert_eq!(told.len(), 3);
    assert!(!told[1].text().contains("evil.example/now"), "{told:?}");
    assert!(told[2].text().contains("“Phone 2.0”"), "{told:?}");
}
