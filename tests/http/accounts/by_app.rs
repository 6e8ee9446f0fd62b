//! What an app of somebody's own does to accounts.

use handstamp::{Error, auth::User};
use serde_json::json;

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    accounts_are_found_by_id_name_and_address,
    a_changed_name_and_address_are_seen_by_sessions_on_every_node,
    a_name_or_address_of_somebody_else_is_refused,
    a_deleted_account_is_gone_with_its_sessions_and_its_name_is_free,
    a_post_of_a_deleted_author_stays_without_their_name,
);

async fn user(server: &Server, name: &str) -> User {
    let account = server.accounts().find_by_username(name).await.unwrap();
    account.unwrap().user
}

async fn accounts_are_found_by_id_name_and_address(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    let accounts = server.accounts();
    let ann = user(&server, "ANN").await;
    let by_id = accounts.find_by_id(ann.id).await.unwrap().unwrap();
    assert_eq!(by_id.user, ann);
    let email = ann.email.clone().unwrap().to_uppercase();
    let by_email = accounts.find_by_email(&email).await.unwrap().unwrap();
    assert_eq!(by_email.user, ann);
    for nobody in ["ben@example.com", "no address"] {
        assert!(accounts.find_by_email(nobody).await.unwrap().is_none());
    }
}

async fn a_changed_name_and_address_are_seen_by_sessions_on_every_node(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let ann = user(&server, "Ann").await;
    let accounts = server.accounts();
    accounts.change_username(&ann, "Anna").await.unwrap();
    let changed = accounts.change_email(&ann, Some("a@example.com")).await;
    assert_eq!(changed.unwrap().username, "Anna");
    let me = browser.get("/checklogin").await;
    assert_eq!(me.json()["username"], "Anna");
    assert_eq!(me.json()["email"], "a@example.com");

    let other = server.other_process().await;
    other.change_username(&ann, "Annabel").await.unwrap();
    let start = std::time::Instant::now();
    while browser.get("/checklogin").await.json()["username"] != "Annabel" {
        assert!(start.elapsed().as_secs() < 10, "never heard");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let events = server
        .database
        .count("audit_events where event = 'change_username'");
    assert_eq!(events.await, 2);
}

async fn a_name_or_address_of_somebody_else_is_refused(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let (ann, ben) = (user(&server, "Ann").await, user(&server, "Ben").await);
    let accounts = server.accounts();
    let refused = accounts.change_username(&ben, "ANN").await;
    assert!(matches!(refused, Err(Error::UsernameTaken)), "{refused:?}");
    let refused = accounts.change_email(&ben, ann.email.as_deref()).await;
    assert!(matches!(refused, Err(Error::EmailTaken)), "{refused:?}");
    let refused = accounts.change_username(&ben, "b b").await;
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    accounts.change_username(&ann, "ANN").await.unwrap();
    accounts.change_email(&ann, None).await.unwrap();
}

async fn a_deleted_account_is_gone_with_its_sessions_and_its_name_is_free(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(browser.get("/checklogin").await.status, 200);
    let ann = user(&server, "Ann").await;
    server.accounts().delete(&ann).await.unwrap();
    assert_eq!(browser.get("/checklogin").await.status, 401);
    assert_eq!(server.database.count("sessions").await, 0);
    let again = server.accounts().delete(&ann).await;
    assert!(matches!(again, Err(Error::NotFound)), "{again:?}");
    let changed = server.accounts().change_username(&ann, "Anna").await;
    assert!(matches!(changed, Err(Error::NotFound)), "{changed:?}");
    let events = server
        .database
        .count("audit_events where event = 'delete_account'");
    assert_eq!(events.await, 1);

    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(browser.get("/checklogin").await.status, 200);
    let ann = user(&server, "Ann").await;
    server.other_process().await.delete(&ann).await.unwrap();
    let start = std::time::Instant::now();
    while browser.get("/checklogin").await.status != 401 {
        assert!(start.elapsed().as_secs() < 10, "never heard");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn a_post_of_a_deleted_author_stays_without_their_name(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let post = json!({"title": "A title", "text": "A text"});
    assert_eq!(browser.post("/posts", post).await.status, 201);
    let ann = user(&server, "Ann").await;
    server.accounts().delete(&ann).await.unwrap();
    let posts = server.browser().get("/posts").await;
    assert_eq!(posts.json()["posts"][0]["author"], "[deleted]");
}
