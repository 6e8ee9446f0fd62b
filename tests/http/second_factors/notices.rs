//! Notices of changes of what somebody logs in with: how many there are, and whose words are in them.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    helpers::{
        Answer, Authenticator, Browser, Kind, MailServer, PASSWORD, Server, TwoSteps,
        on_both_databases,
    },
    mail::{outbox::is_empty, verification::verify},
};

on_both_databases!(
    a_name_that_stays_is_no_change,
    every_kind_of_notice_is_limited,
    nobodys_words_reach_an_address_that_is_not_verified,
);

const ANN: &str = "ann@example.com";

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
    assert_eq!(notices(&server, &mail).await, 2);

    let mail = MailServer::start();
    let server = start(kind, &mail, "2/1h").await;
    let mut ann = TwoSteps::sign_up(&server, "Ann").await;
    for _ in 0..2 {
        let renewed = ann.browser.post("/recovery-codes", json!({})).await;
        assert_eq!(renewed.status, 200);
        assert_eq!(ann.browser.delete("/totp").await.status, 204);
        ann = TwoSteps::turn_on(&server, ann.browser).await;
    }
    assert_eq!(notices(&server, &mail).await, 2);
    assert_eq!(ann.browser.delete("/totp").await.status, 204);
    assert_eq!(notices(&server, &mail).await, 2);
    // What they are of is done, and recorded.
    let events = "audit_events where event = 'disable_totp'";
    assert_eq!(server.database.count(events).await, 3);
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
