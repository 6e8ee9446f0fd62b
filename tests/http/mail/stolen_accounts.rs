//! Somebody else has got into an account: what its owner does counts, whatever still waits to be
//! sent.

use std::{collections::BTreeSet, time::Duration};

use handstamp::auth::AccountState;
use reqwest::Method;
use serde_json::json;

use super::{
    email_change::change,
    outbox::is_empty,
    recovery::{NEW, forgot, reset},
    verification::verify,
};
use crate::helpers::{
    Answer, Browser, Kind, MailServer, PASSWORD, Server, find_user, on_both_databases,
};

on_both_databases!(
    a_link_that_waits_dies_with_a_reset,
    an_undo_link_that_waits_dies_when_the_owner_has_undone_more,
    a_link_that_waits_outlives_what_changes_nothing,
    the_old_address_cannot_be_squatted,
    taking_a_change_back_ends_the_password,
    links_die_when_the_account_is_disabled,
    an_account_is_deleted_once,
);

/// The mail with the link to take back a change that was asked for.
async fn undo_link(mail: &MailServer, to: &str) -> String {
    mail.with_subject(to, "about to change").await.token()
}

async fn a_link_that_waits_dies_with_a_reset(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    forgot(&server.browser(), "ann@example.com").await;
    let link = mail.with_subject("ann@example.com", "Choose a new").await;

    mail.stop();
    assert_eq!(change(&thief, "thief@example.com").await.status, 202);
    let owner = server.browser();
    assert_eq!(reset(&owner, &link.token(), NEW).await.status, 204);
    mail.start_again();
    is_empty(&server.database).await;
    assert!(mail.received_by("thief@example.com").is_empty());
    // The owner is told of both.
    mail.with_subject("ann@example.com", "about to change")
        .await;
    mail.with_subject("ann@example.com", "password was changed")
        .await;
}

async fn an_undo_link_that_waits_dies_when_the_owner_has_undone_more(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "one@example.com").await;
    let owners = undo_link(&mail, "ann@example.com").await;
    let link = mail.with_subject("one@example.com", "Confirm").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    change(&thief, "two@example.com").await;
    let link = mail.with_subject("two@example.com", "Confirm").await;
    is_empty(&server.database).await;

    mail.stop();
    // Its notice goes to the thief's first address.
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    assert_eq!(verify(&server.browser(), &owners).await.status, 204);
    mail.start_again();
    is_empty(&server.database).await;
    let told = mail.received_by("one@example.com");
    assert!(
        told.iter()
            .all(|mail| !mail.subject().contains("was changed")),
        "{told:?}"
    );
}

async fn a_link_that_waits_outlives_what_changes_nothing(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    mail.only("ann@example.com").await;
    mail.stop();
    assert_eq!(change(&browser, "new@example.com").await.status, 202);
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
    // Longer than the link of a reset lives once it was sent.
    forgot(&server.browser(), "ann@example.com").await;
    server.clock.advance(Duration::from_secs(2 * 60 * 60));
    server.auth.purge_records().await.unwrap();
    mail.start_again();
    let link = mail.with_subject("ann@example.com", "Choose a new").await;
    let new = mail.only("new@example.com").await;
    assert_eq!(verify(&browser, &new.token()).await.status, 204);
    // As the address has changed.
    let dead = reset(&browser, &link.token(), NEW).await;
    assert_eq!(dead.code(), "bad_token");
}

async fn the_old_address_cannot_be_squatted(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "thief@example.com").await;
    let undo = undo_link(&mail, "ann@example.com").await;
    let link = mail.only("thief@example.com").await;
    assert_eq!(verify(&thief, &link.token()).await.status, 204);
    let squatter = server.browser();
    let body = json!({"username": "Squatter", "email": "ANN@example.com", "password": PASSWORD});
    assert_eq!(squatter.post("/signup", body).await.status, 201);
    forgot(&squatter, "ann@example.com").await;
    let squatters = mail.with_subject("ANN@example.com", "Choose a new").await;

    let owner = server.browser();
    assert_eq!(verify(&owner, &undo).await.status, 204);
    let ann = find_user(server.accounts(), "Ann").await;
    assert_eq!(ann.email.as_deref(), Some("ann@example.com"));
    let user = squatter.check().await.json();
    assert_eq!(user["email"], json!(null), "it was never theirs");
    let dead = reset(&owner, &squatters.token(), NEW).await;
    assert_eq!(dead.code(), "bad_token");

    // Who has proved that the address is theirs keeps it.
    let thief = server.browser();
    mail.with_subject("ann@example.com", "Choose a new").await;
    let ben = server.browser();
    ben.sign_up("Ben").await;
    change(&ben, "cat@example.com").await;
    let undo = undo_link(&mail, "ben@example.com").await;
    let link = mail.only("cat@example.com").await;
    assert_eq!(verify(&ben, &link.token()).await.status, 204);
    let body = json!({"username": "Dan", "email": "ben@example.com", "password": PASSWORD});
    assert_eq!(thief.post("/signup", body).await.status, 201);
    // After Ben's own, and two notices.
    let dans = mail.nth("ben@example.com", 4).await;
    assert_eq!(verify(&thief, &dans.token()).await.status, 204);
    assert_eq!(verify(&owner, &undo).await.code(), "bad_token");
}

async fn taking_a_change_back_ends_the_password(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "thief@example.com").await;
    let undo = undo_link(&mail, "ann@example.com").await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(thief.post("/password", body).await.status, 204);
    let owner = server.browser();
    assert_eq!(verify(&owner, &undo).await.status, 204);
    let again = thief.log_in_with("Ann", NEW).await;
    assert_eq!(again.code(), "bad_credentials");
    // Its owner need not ask for the link.
    let link = mail.with_subject("ann@example.com", "Choose a new").await;
    assert_eq!(
        reset(&owner, &link.token(), "a third password")
            .await
            .status,
        204
    );
    let back = owner.log_in_with("Ann", "a third password").await;
    assert_eq!(back.status, 200);
}

async fn links_die_when_the_account_is_disabled(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let thief = server.browser();
    thief.sign_up("Ann").await;
    change(&thief, "thief@example.com").await;
    let undo = undo_link(&mail, "ann@example.com").await;
    let link = mail.only("thief@example.com").await;
    let ann = find_user(server.accounts(), "Ann").await;
    for state in [AccountState::Disabled, AccountState::Enabled] {
        server.accounts().set_state(&ann, state).await.unwrap();
    }
    for token in [link.token(), undo] {
        let dead = verify(&server.browser(), &token).await;
        assert_eq!(dead.code(), "bad_token");
    }
}

async fn an_account_is_deleted_once(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let delete = async |browser: Browser| {
        let answer = browser.send_with(Method::DELETE, "/account", &cookie).await;
        answer.status.as_u16()
    };
    let (first, second, third) = tokio::join!(
        delete(server.browser()),
        delete(server.browser()),
        delete(server.browser())
    );
    assert_eq!(
        BTreeSet::from([first, second, third]),
        BTreeSet::from([204, 401])
    );
}

/// What a request does that waits for the database while its session ends. On a busy machine it may wait
/// for too long.
async fn while_its_session_ends(method: Method, path: &str, body: serde_json::Value) {
    for _ in 0..5 {
        let answer = waits_while_its_session_ends(method.clone(), path, &body).await;
        if answer.status != 503 {
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            return;
        }
    }
    panic!("never in time: {path}");
}

async fn waits_while_its_session_ends(
    method: Method,
    path: &str,
    body: &serde_json::Value,
) -> Answer {
    let mail = MailServer::start();
    let server = Server::start_with_mail(Kind::Sqlite, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    mail.only("ann@example.com").await;
    is_empty(&server.database).await;
    let mut other_process = server.database.lock_sqlite().await;
    let request = browser.request(method, path).json(body);
    let sent = tokio::spawn(async move { browser.send(request).await });
    // It is let in, and waits to write.
    tokio::time::sleep(Duration::from_millis(200)).await;
    sqlx::query("delete from sessions")
        .execute(&mut *other_process)
        .await
        .unwrap();
    other_process.commit().await.unwrap();
    let answer = sent.await.unwrap();
    assert_eq!(server.database.count("users").await, 1);
    assert_eq!(server.database.count("outbox").await, 0, "{path}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_for_a_session_that_has_ended() {
    let new = json!({"email": "new@example.com"});
    while_its_session_ends(Method::POST, "/email", new).await;
    while_its_session_ends(Method::POST, "/email/verification", json!(null)).await;
    while_its_session_ends(Method::DELETE, "/account", json!(null)).await;
}
