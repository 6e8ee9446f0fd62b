//! Changing an address, taking it back, and deleting an account.

use std::time::Duration;

use serde_json::json;

use super::{
    recovery::{NEW, forgot, reset},
    verification::verify,
};
use crate::helpers::{
    Answer, Browser, Database, Kind, MailServer, PUBLIC_URL, Server, find_user, on_both_databases,
};

on_both_databases!(
    the_address_changes_when_the_link_is_used,
    the_old_address_takes_a_change_back,
    a_later_change_cannot_take_back_who_takes_it_back,
    nor_can_one_on_a_node_whose_clock_is_behind,
    taken_and_free_addresses_look_alike,
    a_deleted_account_leaves_its_name_and_address,
);

pub async fn change(browser: &Browser, email: &str) -> Answer {
    browser.post("/email", json!({"email": email})).await
}

async fn the_address_changes_when_the_link_is_used(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(
        change(&server.browser(), "new@example.com").await.reason(),
        "no_cookie"
    );
    assert_eq!(change(&browser, "nobody").await.code(), "invalid");
    assert_eq!(
        forgot(&server.browser(), "ann@example.com").await.status,
        202
    );
    let reset_link = mail
        .with_subject("ann@example.com", "Choose a new")
        .await
        .token();

    let answer = change(&browser, "new@example.com").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
    let notice = mail
        .with_subject("ann@example.com", "about to change")
        .await;
    assert!(notice.text().contains("new@example.com"));
    // Its page asks first, as the link ends every session.
    let undo = format!("{PUBLIC_URL}/verify-email?undo#token=");
    assert!(notice.link().starts_with(&undo), "{notice:?}");
    let link = mail.only("new@example.com").await;
    assert_eq!(link.subject(), "Confirm your new e-mail address");
    assert_eq!(
        browser.check().await.json()["email"],
        "ann@example.com",
        "not yet"
    );
    let abandoned = change(&browser, "other@example.com").await;
    assert_eq!(abandoned.status, 202);
    let other = mail.only("other@example.com").await.token();

    assert_eq!(verify(&server.browser(), &link.token()).await.status, 204);
    let user = browser.check().await.json();
    assert_eq!(
        (&user["email"], &user["email_verified"]),
        (&json!("new@example.com"), &json!(true))
    );
    mail.with_subject("ann@example.com", "address was changed")
        .await;
    // Links that were sent before are of no use any more.
    assert_eq!(verify(&browser, &link.token()).await.code(), "bad_token");
    assert_eq!(verify(&browser, &other).await.code(), "bad_token");
    assert_eq!(reset(&browser, &reset_link, NEW).await.code(), "bad_token");
}

async fn the_old_address_takes_a_change_back(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "thief@example.com").await;
    let asked = mail
        .with_subject("ann@example.com", "about to change")
        .await;
    let link = mail.only("thief@example.com").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    // The thief locks the owner out, who finds the mails later.
    let body = json!({"current_password": crate::helpers::PASSWORD, "new_password": NEW});
    assert_eq!(thief.post("/password", body).await.status, 204);
    server.clock.advance(Duration::from_secs(47 * 60 * 60));
    assert_eq!(thief.log_in_with("Ann", NEW).await.status, 200);

    let owner = server.browser();
    assert_eq!(verify(&owner, &asked.token()).await.status, 204);
    assert_eq!(thief.check().await.reason(), "unknown_session");
    let token = mail
        .with_subject("ann@example.com", "Choose a new")
        .await
        .token();
    assert_eq!(reset(&owner, &token, "a third password").await.status, 204);
    let user = owner.log_in_with("Ann", "a third password").await.json();
    assert_eq!(user["email"], "ann@example.com");

    server.clock.advance(Duration::from_secs(60 * 60));
    let changed = mail
        .with_subject("ann@example.com", "address was changed")
        .await;
    assert_eq!(
        verify(&owner, &changed.token()).await.code(),
        "bad_token",
        "used up or expired"
    );
}

async fn a_later_change_cannot_take_back_who_takes_it_back(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    for email in ["one@example.com", "two@example.com"] {
        change(&thief, email).await;
        let link = mail.with_subject(email, "Confirm your new").await;
        assert_eq!(verify(&thief, &link.token()).await.status, 204);
    }
    let thiefs = mail
        .with_subject("one@example.com", "address was changed")
        .await
        .token();
    let owners = mail
        .with_subject("ann@example.com", "address was changed")
        .await
        .token();
    // The thief's link to the first of their addresses leaves the owner's as it is.
    assert_eq!(verify(&thief, &thiefs).await.status, 204);
    assert_eq!(verify(&thief, &owners).await.status, 204);
    let asked = mail
        .with_subject("one@example.com", "about to change")
        .await
        .token();
    assert_eq!(verify(&thief, &asked).await.code(), "bad_token");
    let ann = find_user(server.accounts(), "Ann").await;
    assert_eq!(ann.email.as_deref(), Some("ann@example.com"));
}

async fn nor_can_one_on_a_node_whose_clock_is_behind(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let database = Database::at(&server.database.url);
    let settings = mail.settings();
    let settings = settings.iter().map(|(name, value)| (&**name, &**value));
    let behind = Server::start_on(database, &settings.collect::<Vec<_>>()).await;
    behind.clock.set_back(Duration::from_secs(30));
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "one@example.com").await;
    let link = mail.with_subject("one@example.com", "Confirm your new");
    let link = link.await.token();
    assert_eq!(verify(&thief, &link).await.status, 204);
    let cookie = format!("session={}", thief.session().unwrap());
    let request = behind.browser().request(reqwest::Method::POST, "/email");
    let request = request.json(&json!({"email": "two@example.com"}));
    let changed = behind
        .browser()
        .send(request.header("cookie", cookie))
        .await;
    assert_eq!(changed.status, 202, "{changed:?}");
    let thiefs = mail.with_subject("one@example.com", "about to change");
    let thiefs = thiefs.await.token();
    let owners = mail.with_subject("ann@example.com", "address was changed");
    let owners = owners.await.token();
    assert_eq!(verify(&server.browser(), &owners).await.status, 204);
    assert_eq!(verify(&thief, &thiefs).await.code(), "bad_token");
    let ann = find_user(server.accounts(), "Ann").await;
    assert_eq!(ann.email.as_deref(), Some("ann@example.com"));
}

async fn taken_and_free_addresses_look_alike(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let free = change(&browser, "free@example.com").await;
    let taken = change(&browser, "BEN@example.com").await;
    assert_eq!((free.status, &free.text), (taken.status, &taken.text));
    let told = mail
        .with_subject("ben@example.com", "You have an account already")
        .await;
    assert!(!told.text().contains("Ann") && !told.text().contains("#token="));
    assert!(mail.received_by("BEN@example.com").is_empty());

    // Whoever has it by the time the link is used keeps it.
    let link = mail.only("free@example.com").await;
    let body = json!({"username": "Cat", "email": "free@example.com",
                      "password": crate::helpers::PASSWORD});
    assert_eq!(server.browser().post("/signup", body).await.status, 201);
    assert_eq!(verify(&browser, &link.token()).await.code(), "bad_token");
    assert_eq!(browser.check().await.json()["email"], "ann@example.com");
}

async fn a_deleted_account_leaves_its_name_and_address(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.log_in("Ann").await;
    let post = json!({"title": "A post", "text": "by Ann"});
    let id = browser.post("/posts", post).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let comments = format!("/posts/{id}/comments");
    assert_eq!(
        browser
            .post(&comments, json!({"text": "by Ann"}))
            .await
            .status,
        201
    );
    let link = mail.only("ann@example.com").await;
    assert_eq!(
        server.browser().delete("/account").await.reason(),
        "no_cookie"
    );

    let answer = browser.delete("/account").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (204, ""));
    assert_eq!(browser.session(), None, "the cookie is removed");
    assert_eq!(other.check().await.reason(), "unknown_session");
    assert_eq!(other.log_in("Ann").await.code(), "bad_credentials");
    assert_eq!(verify(&other, &link.token()).await.code(), "bad_token");
    for table in [
        "users",
        "sessions where user_id is not null",
        "account_tokens",
    ] {
        assert_eq!(server.database.count(table).await, 0, "{table}");
    }

    // Who takes the name takes nothing that was written under it.
    other.sign_up("Ann").await;
    let read = other.get(&format!("/posts/{id}")).await.json();
    assert_eq!(read["post"]["author"], "[deleted]");
    assert_eq!(read["comments"][0]["author"], "[deleted]");
    let listed = other.get("/posts?author=me").await.json();
    assert_eq!(listed["posts"].as_array().unwrap().len(), 0, "{listed}");
    assert_eq!(other.delete(&format!("/posts/{id}")).await.status, 403);
}
