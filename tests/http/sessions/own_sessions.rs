//! Listing and ending a user's own sessions.

use serde_json::Value;

use crate::helpers::{Browser, Database, Kind, Server, on_both_databases};

on_both_databases!(
    own_sessions_are_listed_and_ended,
    nobody_ends_somebody_elses,
    one_login_too_many_ends_the_oldest,
    the_newest_login_is_never_the_oldest,
    expired_sessions_do_not_count,
    a_login_storm_keeps_to_the_limit,
    forwarded_addresses_count_only_from_trusted_proxies,
);

async fn listed(browser: &Browser) -> Vec<Value> {
    browser.get("/sessions").await.json()["sessions"]
        .as_array()
        .unwrap()
        .clone()
}

async fn own_sessions_are_listed_and_ended(kind: Kind) {
    let server = Server::start(kind).await;
    let [first, second, third] = [(); 3].map(|()| server.browser());
    first.sign_up("Ann").await;
    second.log_in("Ann").await;
    third.log_in("Ann").await;

    let sessions = listed(&second).await;
    let current: Vec<_> = sessions
        .iter()
        .map(|session| session["current"].as_bool())
        .collect();
    assert_eq!(
        current,
        [Some(false), Some(true), Some(false)],
        "newest first"
    );
    assert_eq!(sessions[0]["user_agent"], "test browser");
    assert_eq!(sessions[0]["ip"], "127.0.0.1");
    let id = sessions[0]["id"].as_str().unwrap();
    assert!(
        !third.session().unwrap().contains(id),
        "the id is not the secret"
    );

    let answer = second.delete(&format!("/sessions/{id}")).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(third.check().await.reason(), "unknown_session");
    assert_eq!(first.check().await.status, 200);

    third.log_in("Ann").await;
    assert_eq!(second.delete("/sessions").await.status, 204);
    assert_eq!(first.check().await.reason(), "unknown_session");
    assert_eq!(third.check().await.reason(), "unknown_session");
    assert_eq!(listed(&second).await.len(), 1);

    let own = listed(&second).await[0]["id"].as_str().unwrap().to_owned();
    let answer = second.delete(&format!("/sessions/{own}")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        second.session(),
        None,
        "the cookie is removed with its session"
    );
}

async fn nobody_ends_somebody_elses(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let id = listed(&ann).await[0]["id"].as_str().unwrap().to_owned();
    for id in [
        id.as_str(),
        "nonsense",
        "00000000-0000-0000-0000-000000000000",
        "%00",
    ] {
        assert_eq!(
            ben.delete(&format!("/sessions/{id}")).await.code(),
            "not_found"
        );
    }
    assert_eq!(ben.delete("/sessions").await.status, 204);
    assert_eq!(ann.check().await.status, 200);
    assert_eq!(
        server
            .browser()
            .delete(&format!("/sessions/{id}"))
            .await
            .reason(),
        "no_cookie"
    );
    assert_eq!(
        server.browser().delete("/sessions").await.reason(),
        "no_cookie"
    );
}

async fn one_login_too_many_ends_the_oldest(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSIONS_PER_USER", "2")]).await;
    let [first, second, third] = [(); 3].map(|()| server.browser());
    first.sign_up("Ann").await;
    second.log_in("Ann").await;
    assert_eq!(first.check().await.status, 200);
    third.log_in("Ann").await;
    assert_eq!(first.check().await.reason(), "unknown_session");
    assert_eq!(second.check().await.status, 200);
    assert_eq!(third.check().await.status, 200);
}

async fn expired_sessions_do_not_count(kind: Kind) {
    let settings = [("SESSIONS_PER_USER", "2"), ("SESSION_IDLE_TIMEOUT", "1h")];
    let server = Server::start_with(kind, &settings).await;
    let [used, unused, new] = [(); 3].map(|()| server.browser());
    used.sign_up("Ann").await;
    unused.log_in("Ann").await;
    for _ in 0..3 {
        server
            .clock
            .advance(std::time::Duration::from_secs(25 * 60));
        assert_eq!(used.check().await.status, 200);
    }
    assert_eq!(unused.check().await.reason(), "expired");
    new.log_in("Ann").await;
    assert_eq!(used.check().await.status, 200);
    assert_eq!(new.check().await.status, 200);
}

async fn a_login_storm_keeps_to_the_limit(kind: Kind) {
    let settings = [("SESSIONS_PER_USER", "3"), ("PASSWORD_HASHES_AT_ONCE", "4")];
    let server = Server::start_with(kind, &settings).await;
    server.browser().sign_up("Ann").await;
    let log_ins = (0..16).map(|_| {
        let browser = server.browser().patient();
        tokio::spawn(async move { browser.log_in("Ann").await.status })
    });
    for log_in in log_ins.collect::<Vec<_>>() {
        assert_eq!(log_in.await.unwrap(), 200);
    }
    assert_eq!(server.database.count("sessions").await, 3);
}

async fn forwarded_addresses_count_only_from_trusted_proxies(kind: Kind) {
    let address_seen = async |server: &Server| {
        let browser = server.browser();
        let body = serde_json::json!({"username": "Ann", "password": crate::helpers::PASSWORD});
        let log_in = browser.request(reqwest::Method::POST, "/login").json(&body);
        let answer = browser
            .send(log_in.header("x-forwarded-for", "203.0.113.7"))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        listed(&browser).await[0]["ip"].as_str().unwrap().to_owned()
    };
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    assert_eq!(address_seen(&server).await, "127.0.0.1");
    let server = server
        .restart_with(&[("TRUSTED_PROXIES", "127.0.0.0/8")])
        .await;
    assert_eq!(address_seen(&server).await, "203.0.113.7");
}

/// Sessions begun by another node may seem to lie in the future.
async fn the_newest_login_is_never_the_oldest(kind: Kind) {
    let settings = [("SESSIONS_PER_USER", "1")];
    let fast = Server::start_with(kind, &settings).await;
    let slow = Server::start_on(Database::at(&fast.database.url), &settings).await;
    let first = fast.browser();
    first.sign_up("Ann").await;
    for round in 0..5 {
        // As by a node whose clock is ahead.
        let ahead = format!("ffffffff-ffff-7fff-bfff-{round:012}");
        let id = match kind {
            Kind::Sqlite => format!("x'{}'", ahead.replace('-', "")),
            Kind::Postgres | Kind::PgBouncer => format!("'{ahead}'"),
        };
        let rename = format!("update sessions set public_id = {id}");
        fast.database.execute(&rename).await;
        let browser = slow.browser();
        assert_eq!(browser.log_in("Ann").await.status, 200);
        assert_eq!(browser.check().await.status, 200, "dead on arrival");
        assert_eq!(fast.database.count("sessions").await, 1);
    }
}
