//! What users hear of without having asked.

use std::net::IpAddr;

use handstamp::auth::Application;
use serde_json::json;

use super::{
    outbox::is_empty,
    recovery::{NEW, forgot, reset},
    verification::verify,
};
use crate::helpers::{Browser, Kind, MailServer, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    a_login_from_a_new_place_is_told,
    changes_of_credentials_are_told,
    nobody_without_an_address_is_told,
    who_is_told_does_not_change_with_the_account,
    notices_to_one_address_are_limited,
    strangers_words_are_in_no_mail,
    a_reset_makes_no_place_new,
    places_are_known_without_a_limit_of_logins,
    a_proof_from_a_new_place_is_told,
    an_operators_change_is_told_without_a_link,
);

/// Logs in through a proxy that says it comes from this address.
async fn log_in_from(browser: &Browser, ip: &str, agent: &str) -> u16 {
    let request = browser
        .request(reqwest::Method::POST, "/login")
        .json(&json!({"username": "Ann", "password": PASSWORD}))
        .header("x-forwarded-for", ip)
        .header("user-agent", agent);
    browser.send(request).await.status.as_u16()
}

async fn a_login_from_a_new_place_is_told(kind: Kind) {
    let mail = MailServer::start();
    let proxied = [("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, &mail, &proxied).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    mail.with_subject("ann@example.com", "Confirm").await;
    let home: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(log_in_from(&browser, &home.to_string(), "x").await, 200);

    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/150.0 Firefox/150.0 evil.example";
    assert_eq!(
        log_in_from(&server.browser(), "192.0.2.7", agent).await,
        200
    );
    let notice = mail.with_subject("ann@example.com", "A new device").await;
    for words in ["192.0.2.7", "Firefox on Linux", "UTC"] {
        assert!(notice.text().contains(words), "{words}: {notice:?}");
    }
    assert!(
        !format!("{notice:?}").contains("evil"),
        "its words are not sent on"
    );

    // The second time it is known; a failed login makes nothing known.
    assert_eq!(
        log_in_from(&server.browser(), "192.0.2.7", agent).await,
        200
    );
    let wrong = server.browser();
    assert_eq!(wrong.log_in_with("Ann", "wrong").await.status, 400);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(mail.received_by("ann@example.com").len(), 2);
    assert_eq!(
        log_in_from(&server.browser(), "192.0.2.8", agent).await,
        200
    );
    mail.nth("ann@example.com", 3).await;
}

async fn changes_of_credentials_are_told(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let body = json!({"current_password": "wrong", "new_password": super::recovery::NEW});
    assert_eq!(browser.post("/password", body).await.status, 400);
    let body = json!({"current_password": PASSWORD, "new_password": super::recovery::NEW});
    assert_eq!(browser.post("/password", body).await.status, 204);
    let notice = mail
        .with_subject("ann@example.com", "Your password was changed")
        .await;
    assert!(!notice.text().contains("#token="));
    assert_eq!(
        mail.received_by("ann@example.com").len(),
        2,
        "and the link of the sign-up"
    );

    let ann = find_user(server.accounts(), "Ann").await;
    let accounts = server.accounts();
    accounts
        .set_password(&ann, PASSWORD.to_owned())
        .await
        .unwrap();
    let notice = mail.nth("ann@example.com", 3).await;
    assert_eq!(notice.subject(), "Your password was changed");
    accounts
        .change_email(&ann, Some("anna@example.com"))
        .await
        .unwrap();
    let notice = mail
        .with_subject("ann@example.com", "address was changed")
        .await;
    assert!(notice.text().contains("anna@example.com"));
}

async fn nobody_without_an_address_is_told(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let ann = Application::new("Ann").password(PASSWORD.to_owned());
    let ann = server.accounts().add(ann).await.unwrap();
    let browser = server.browser();
    assert_eq!(browser.log_in("Ann").await.status, 200);
    server
        .accounts()
        .set_password(&ann, super::recovery::NEW.to_owned())
        .await
        .unwrap();
    let answer = server
        .browser()
        .log_in_with("Ann", super::recovery::NEW)
        .await;
    assert_eq!(answer.status, 200);
    let empty = async || server.database.count("outbox").await == 0;
    for _ in 0..500 {
        if empty().await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(empty().await && mail.received().is_empty());
}

async fn change_password(browser: &Browser, old: &str, new: &str) -> u16 {
    let body = json!({"current_password": old, "new_password": new});
    browser.post("/password", body).await.status.as_u16()
}

async fn who_is_told_does_not_change_with_the_account(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    is_empty(&server.database).await;
    mail.stop();
    assert_eq!(change_password(&ann, PASSWORD, NEW).await, 204);
    let user = find_user(server.accounts(), "Ann").await;
    let changed = server
        .accounts()
        .change_email(&user, Some("thief@example.com"));
    changed.await.unwrap();
    assert_eq!(change_password(&ben, PASSWORD, NEW).await, 204);
    assert_eq!(ben.delete("/account").await.status, 204);
    mail.start_again();
    for email in ["ann@example.com", "ben@example.com"] {
        mail.with_subject(email, "password was changed").await;
    }
    is_empty(&server.database).await;
    assert!(mail.received_by("thief@example.com").is_empty());
}

async fn notices_to_one_address_are_limited(kind: Kind) {
    let mail = MailServer::start();
    let settings = [("MAILS_PER_ACCOUNT", "2/1h")];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    // What others ask for takes nothing from the notices.
    for _ in 0..3 {
        forgot(&server.browser(), "ann@example.com").await;
    }
    for (old, new) in [(PASSWORD, NEW), (NEW, PASSWORD), (PASSWORD, NEW)] {
        assert_eq!(change_password(&browser, old, new).await, 204);
    }
    is_empty(&server.database).await;
    let mut received = mail.received_by("ann@example.com");
    received.retain(|mail| mail.subject().contains("password was changed"));
    assert_eq!(received.len(), 2);
}

async fn strangers_words_are_in_no_mail(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let stranger = server.browser();
    let body = json!({"username": "evil.example", "email": "ann@example.com",
                      "password": PASSWORD});
    assert_eq!(stranger.post("/signup", body).await.status, 201);
    assert_eq!(change_password(&stranger, PASSWORD, NEW).await, 204);
    forgot(&stranger, "ann@example.com").await;
    for email in [
        r#""your account is locked, go to evil.example"@example.com"#,
        "a@[evil.example]",
        "a@[192.0.2.7]",
    ] {
        let answer = stranger.post("/email", json!({"email": email})).await;
        assert_eq!(answer.code(), "invalid", "{email}");
    }
    let change = json!({"email": "new@example.com"});
    assert_eq!(stranger.post("/email", change).await.status, 202);
    mail.nth("ann@example.com", 4).await;
    is_empty(&server.database).await;
    for mail in mail.received() {
        let said = format!("{} {} {}", mail.subject(), mail.text(), mail.html());
        assert!(!said.contains("evil"), "{said}");
    }

    // Once the address is known to be theirs, it is their own name.
    let again = stranger.post("/email/verification", json!(null)).await;
    assert_eq!(again.status, 202);
    let link = mail.nth("ann@example.com", 5).await;
    assert_eq!(verify(&stranger, &link.token()).await.status, 204);
    let ann = find_user(server.accounts(), "evil.example").await;
    let set = server
        .accounts()
        .set_password(&ann, "a third password".to_owned());
    set.await.unwrap();
    let notice = mail.nth("ann@example.com", 6).await;
    assert!(notice.text().contains("evil.example"), "{notice:?}");
}

async fn a_reset_makes_no_place_new(kind: Kind) {
    let mail = MailServer::start();
    let proxied = [("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, &mail, &proxied).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(log_in_from(&browser, "192.0.2.7", "x").await, 200);
    mail.with_subject("ann@example.com", "A new device").await;
    forgot(&browser, "ann@example.com").await;
    let link = mail.with_subject("ann@example.com", "Choose a new").await;
    assert_eq!(reset(&browser, &link.token(), PASSWORD).await.status, 204);
    assert_eq!(log_in_from(&browser, "192.0.2.7", "x").await, 200);
    is_empty(&server.database).await;
    mail.with_subject("ann@example.com", "password was changed")
        .await;
    let mut told = mail.received_by("ann@example.com");
    told.retain(|mail| mail.subject().contains("A new device"));
    assert_eq!(told.len(), 1);
}

async fn places_are_known_without_a_limit_of_logins(kind: Kind) {
    let mail = MailServer::start();
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "unlimited"),
    ];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(log_in_from(&browser, "192.0.2.7", "x").await, 200);
    mail.with_subject("ann@example.com", "A new device").await;
}

async fn a_proof_from_a_new_place_is_told(kind: Kind) {
    let mail = MailServer::start();
    let proxied = [("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, &mail, &proxied).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    let request = thief
        .request(reqwest::Method::POST, "/reauthenticate")
        .json(&json!({"password": PASSWORD}))
        .header("x-forwarded-for", "192.0.2.7");
    assert_eq!(thief.send(request).await.status, 200);
    let notice = mail.with_subject("ann@example.com", "A new device").await;
    assert!(notice.text().contains("192.0.2.7"));
}

async fn an_operators_change_is_told_without_a_link(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    server.browser().sign_up("Ann").await;
    let ann = find_user(server.accounts(), "Ann").await;
    let accounts = server.accounts();
    // The same address, spelled in another way, is no change.
    accounts
        .change_email(&ann, Some("Ann@example.com"))
        .await
        .unwrap();
    accounts
        .change_email(&ann, Some("anna@example.com"))
        .await
        .unwrap();
    let notice = mail
        .with_subject("Ann@example.com", "address was changed")
        .await;
    assert!(!notice.text().contains("#token="), "{notice:?}");
    accounts.change_email(&ann, None).await.unwrap();
    let notice = mail.with_subject("anna@example.com", "address was").await;
    assert!(!notice.text().contains("#token="), "{notice:?}");
    is_empty(&server.database).await;
    assert!(
        mail.received_by("ann@example.com")
            .iter()
            .all(|mail| !mail.subject().contains("was changed"))
    );
}
