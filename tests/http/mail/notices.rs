//! What users hear of without having asked.

use std::net::IpAddr;

use handstamp::auth::Application;
use serde_json::json;

use crate::helpers::{Browser, Kind, MailServer, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    a_login_from_a_new_place_is_told,
    changes_of_credentials_are_told,
    nobody_without_an_address_is_told,
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
    for words in ["Ann", "192.0.2.7", "Firefox on Linux", "UTC"] {
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
    assert!(notice.text().contains("Ann") && !notice.text().contains("#token="));
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
