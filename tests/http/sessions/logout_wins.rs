//! A logout wins over every request in flight.

use futures_util::future::join_all;
use handstamp::auth::{AccountState, Application, Auth, Session};
use serde_json::json;

use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    two_hundred_races_against_writers,
    a_password_change_under_way_brings_nothing_back,
    every_session_that_came_along_ends,
    changes_of_other_processes_apply,
    two_writers_keep_both_values,
);

const WRITERS: usize = 8;

/// The example, with a route whose handler writes late.
fn app(auth: Auth) -> axum::Router {
    let write = async |session: Session, axum::extract::Path(key): axum::extract::Path<String>| {
        let count = session.get::<u32>(&key).await?.unwrap_or_default();
        tokio::task::yield_now().await;
        session.insert(&key, count + 1).await?;
        Ok::<_, handstamp::http::Error>(())
    };
    let routes = axum::Router::new().route("/write/{key}", axum::routing::get(write));
    routes
        .layer(auth.layer())
        .merge(crate::library::embed::app(&auth))
}

async fn two_hundred_races_against_writers(kind: Kind) {
    // A password hash for each round would take longer than the races.
    let server = Server::start_app(kind, &[("PASSWORDLESS_LOGIN", "on")], app).await;
    let ann = Application::new("Ann");
    server.accounts().add(ann).await.unwrap();
    for round in 0..200 {
        let browser = server.browser().patient();
        assert_eq!(browser.log_in_by_name("Ann").await.status, 200);
        let cookie = format!("session={}", browser.session().unwrap());
        let writers = (0..WRITERS).map(|writer| {
            let (browser, cookie) = (browser.clone(), cookie.clone());
            tokio::spawn(async move {
                browser
                    .get_with(&format!("/write/{writer}"), &cookie)
                    .await
                    .status
            })
        });
        let writers: Vec<_> = writers.collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(std::time::Duration::from_micros(round * 20)).await;
        }
        assert_eq!(browser.log_out().await.status, 200);
        for status in join_all(writers).await {
            assert_eq!(status.unwrap(), 200);
        }
        assert_eq!(
            browser.check_with(&cookie).await.reason(),
            "unknown_session",
            "round {round}"
        );
        // Nor is there a row left under its id, with or without a user.
        let id = &cookie[cookie.len() - 22..];
        assert_eq!(
            server
                .database
                .count(&format!("sessions where id = '{id}'"))
                .await,
            0
        );
    }
}

async fn a_password_change_under_way_brings_nothing_back(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let change = {
        let browser = browser.clone();
        let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
        tokio::spawn(async move { browser.post("/password", body).await })
    };
    // Two hashes take longer than this, and begin after the session was checked.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    let bare = server.browser();
    let log_out = bare
        .request(reqwest::Method::DELETE, "/logout")
        .header("cookie", &cookie);
    assert_eq!(bare.send(log_out).await.status, 200);
    let answer = change.await.unwrap();
    assert_eq!(
        answer.reason(),
        "unknown_session",
        "the change must not outlive the session"
    );
    assert_eq!(server.database.count("sessions").await, 0);
    assert_eq!(
        browser.log_in("Ann").await.status,
        200,
        "the password is as it was"
    );
}

async fn every_session_that_came_along_ends(kind: Kind) {
    let server = Server::start(kind).await;
    let [one, two] = [(); 2].map(|()| server.browser());
    one.sign_up("Ann").await;
    two.log_in("Ann").await;
    let [one, two] = [one, two].map(|browser| format!("session={}", browser.session().unwrap()));
    let bare = server.browser();
    let cookies = format!("session=junk; {one}; {two}");
    let log_out = bare
        .request(reqwest::Method::DELETE, "/logout")
        .header("cookie", &cookies);
    assert_eq!(bare.send(log_out).await.status, 200);
    for cookie in [one, two] {
        assert_eq!(bare.check_with(&cookie).await.reason(), "unknown_session");
    }
}

async fn changes_of_other_processes_apply(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let operator = server.browser();
    operator.sign_up("Ann").await;
    browser.log_in("Ann").await;
    let accounts = server.other_process().await;
    let ann = accounts.find_by_username("ANN").await.unwrap().unwrap();

    accounts.sign_out(&ann.user).await.unwrap();
    assert_eq!(browser.check_until(401).await.reason(), "unknown_session");

    browser.log_in("Ann").await;
    accounts
        .set_state(&ann.user, AccountState::Disabled)
        .await
        .unwrap();
    assert_eq!(browser.check_until(401).await.reason(), "user_gone");
    assert_eq!(browser.log_in("Ann").await.code(), "bad_credentials");
    accounts
        .set_state(&ann.user, AccountState::Enabled)
        .await
        .unwrap();
    assert_eq!(
        browser.check_until(401).await.reason(),
        "unknown_session",
        "enabling brings none back"
    );

    assert_eq!(browser.log_in("Ann").await.status, 200);
    let ann = accounts.find_by_username("Ann").await.unwrap().unwrap();
    accounts
        .set_password(&ann.user, "black coffee by noon".into())
        .await
        .unwrap();
    assert_eq!(browser.check_until(401).await.reason(), "unknown_session");
    assert_eq!(browser.log_in("Ann").await.code(), "bad_credentials");
    assert_eq!(
        browser
            .log_in_with("Ann", "black coffee by noon")
            .await
            .status,
        200
    );

    server.database.execute("delete from users").await;
    assert_eq!(browser.check_until(401).await.reason(), "user_gone");
}

async fn two_writers_keep_both_values(kind: Kind) {
    let server = Server::start_app(kind, &[], app).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..20 {
        let writes = (0..WRITERS).map(|writer| {
            let browser = browser.clone();
            async move { browser.get(&format!("/write/{writer}")).await.status }
        });
        assert!(join_all(writes).await.iter().all(|status| *status == 200));
    }
    let data = server.database.only_record().await.data;
    for writer in 0..WRITERS {
        assert_eq!(data[&writer.to_string()], json!(20), "{data:?}");
    }
}
