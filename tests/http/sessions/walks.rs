//! Two walks through the whole API.

use handstamp::auth::Application;
use serde_json::json;

use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    the_session_walk,
    the_session_walk_with_trailing_slashes,
    the_news_walk,
    logging_in_keeps_a_visitors_values_but_nobody_elses,
);

async fn the_session_walk(kind: Kind) {
    walk(kind, "").await;
}

async fn the_session_walk_with_trailing_slashes(kind: Kind) {
    walk(kind, "/").await;
}

async fn walk(kind: Kind, slash: &str) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let jackson = Application::new("Jackson");
    server.accounts().add(jackson).await.unwrap();
    let browser = server.browser();
    let path = |name: &str| format!("/{name}{slash}");

    let answer = browser
        .post(&path("login"), json!({"username": "Jackson"}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = format!("session={}", browser.session().unwrap());

    let answer = browser.get(&path("checklogin")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["username"].as_str()),
        (200, Some("Jackson"))
    );
    assert_eq!(
        server.browser().get(&path("checklogin")).await.reason(),
        "no_cookie"
    );

    let answer = server
        .browser()
        .post(&path("login"), json!({"username": "Nobody"}))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (400, "bad_credentials".into())
    );

    let answer = browser.delete(&path("logout")).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert_eq!(browser.session(), None);
    let answer = browser.get_with(&path("checklogin"), &cookie).await;
    assert_eq!(answer.reason(), "unknown_session");
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn the_news_walk(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let first = format!("session={}", browser.session().unwrap());

    // A sign-up while logged in as somebody else leaves nothing of the first session.
    let lernantino = browser.sign_up("Lernantino").await.json();
    assert_eq!(browser.check_with(&first).await.reason(), "unknown_session");
    assert_eq!(server.database.count("sessions").await, 1);
    let data = server.database.only_record().await.data;
    assert_eq!(
        serde_json::to_value(data).unwrap(),
        json!({"user_id": lernantino["id"], "username": "Lernantino", "logged_in": true})
    );

    let answer = browser.get("/login").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, Some("/dashboard"))
    );
    let answer = server.browser().get("/login").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("cache-control")),
        (200, Some("no-store"))
    );

    // Logging out and in again, in any case.
    browser.log_out().await;
    assert_eq!(
        browser.log_in("LERNANTINO").await.json()["username"],
        "Lernantino"
    );
    assert_eq!(
        browser.log_in_with("Lernantino", "wrong").await.code(),
        "bad_credentials"
    );
    assert_eq!(browser.check().await.status, 200);
    assert_eq!(
        browser
            .log_in_with("Lernantino", &format!("{PASSWORD} "))
            .await
            .status,
        400
    );
}

async fn logging_in_keeps_a_visitors_values_but_nobody_elses(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| crate::library::embed::app(&auth)).await;
    for name in ["Ann", "Ben"] {
        server.browser().sign_up(name).await;
    }
    let browser = server.browser();
    browser.get("/").await;
    let visitor = format!("session={}", browser.session().unwrap());
    assert_eq!(browser.check().await.reason(), "unknown_session");

    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert_eq!(browser.get("/").await.text, "Hello Ann, page view 2.");
    assert_eq!(
        browser.check_with(&visitor).await.reason(),
        "unknown_session"
    );
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert_eq!(browser.get("/").await.text, "Hello Ann, page view 3.");
    assert_eq!(browser.log_in("Ben").await.status, 200);
    assert_eq!(browser.get("/").await.text, "Hello Ben, page view 1.");
}
