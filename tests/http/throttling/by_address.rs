//! Rate limits by address.

use std::time::Duration;

use futures_util::future::join_all;
use handstamp::auth::Application;
use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    Answer, Kind, PASSWORD, Server, guess, on_both_databases, sign_up_number, wait,
};

on_both_databases!(
    an_attack_does_not_lock_the_owner_out,
    failures_of_an_address_are_bounded,
    nobody_chooses_their_own_address,
    an_ipv6_network_counts_as_one,
    sign_ups_of_an_address_are_bounded,
    parallel_sign_ups_are_counted_one_by_one,
    attempted_sign_ups_are_bounded,
    the_owner_comes_before_who_keeps_trying,
    a_known_address_is_written_once_a_day,
);

const PROXIED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

/// A request as a proxy forwards it from `address`.
async fn log_in_from(server: &Server, address: &str, name: &str, password: &str) -> Answer {
    let browser = server.browser();
    let body = json!({"username": name, "password": password});
    let request = browser.request(Method::POST, "/login").json(&body);
    browser
        .send(request.header("x-forwarded-for", address))
        .await
}

async fn an_attack_does_not_lock_the_owner_out(kind: Kind) {
    let server = Server::start_with(kind, &[PROXIED]).await;
    let owner = server.browser();
    owner.sign_up("Ann").await;
    let home = "198.51.100.1";
    assert_eq!(
        log_in_from(&server, home, "Ann", PASSWORD).await.status,
        200
    );
    for address in 0..30 {
        let address = format!("203.0.113.{address}");
        let answer = log_in_from(&server, &address, "Ann", "a wrong password").await;
        assert!([400, 429].contains(&answer.status.as_u16()));
    }
    let elsewhere = log_in_from(&server, "203.0.113.99", "Ann", PASSWORD).await;
    let wait = wait(&elsewhere);
    assert_eq!(owner.check().await.status, 200, "nobody is logged out");
    assert_eq!(
        log_in_from(&server, home, "Ann", PASSWORD).await.status,
        200,
        "nor locked out"
    );
    server.clock.advance(wait);
    assert_eq!(
        log_in_from(&server, "203.0.113.99", "Ann", PASSWORD)
            .await
            .status,
        200
    );
}

async fn failures_of_an_address_are_bounded(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ADDRESS", "5/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(browser.log_in("Ann").await.status, 200, "is not counted");
    for number in 0..5 {
        assert_eq!(guess(&browser, &format!("user{number}")).await.status, 400);
    }
    server.clock.advance(wait(&browser.log_in("Ann").await));
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert_eq!(browser.check().await.status, 200);
}

async fn nobody_chooses_their_own_address(kind: Kind) {
    let limit = ("LOGIN_FAILURES_PER_ADDRESS", "3/15m");
    let server = Server::start_with(kind, &[limit]).await;
    for number in 0..3 {
        log_in_from(
            &server,
            &format!("203.0.113.{number}"),
            &format!("user{number}"),
            "x",
        )
        .await;
    }
    wait(&log_in_from(&server, "203.0.113.9", "user9", "x").await);

    let server = Server::start_with(kind, &[limit, PROXIED]).await;
    for number in 0..3 {
        let forwarded = format!("203.0.113.{number}, 198.51.100.1");
        log_in_from(&server, &forwarded, &format!("user{number}"), "x").await;
    }
    wait(&log_in_from(&server, "203.0.113.9, 198.51.100.1", "user9", "x").await);
    assert_eq!(
        log_in_from(&server, "198.51.100.2", "user9", "x")
            .await
            .status,
        400
    );
}

async fn an_ipv6_network_counts_as_one(kind: Kind) {
    let settings = [("LOGIN_FAILURES_PER_ADDRESS", "3/15m"), PROXIED];
    let server = Server::start_with(kind, &settings).await;
    for number in 0..3 {
        let address = format!("2001:db8:1:2:{number}::{number}");
        log_in_from(&server, &address, &format!("user{number}"), "x").await;
    }
    wait(&log_in_from(&server, "2001:db8:1:2:ffff::1", "user9", "x").await);
    assert_eq!(
        log_in_from(&server, "2001:db8:1:3::1", "user9", "x")
            .await
            .status,
        400
    );
}

async fn sign_ups_of_an_address_are_bounded(kind: Kind) {
    let server = Server::start_with(kind, &[("SIGNUPS_PER_ADDRESS", "3/1h")]).await;
    for number in 0..3 {
        assert_eq!(sign_up_number(&server, number).await.status, 201);
        if number < 2 {
            let again = sign_up_number(&server, number).await;
            assert_eq!(again.code(), "username_taken", "makes no account");
        }
    }
    let wait = wait(&sign_up_number(&server, 3).await);
    assert_eq!(server.database.count("users").await, 3);
    server.clock.advance(wait);
    assert_eq!(sign_up_number(&server, 3).await.status, 201);
}

async fn parallel_sign_ups_are_counted_one_by_one(kind: Kind) {
    let server = Server::start_with(kind, &[("SIGNUPS_PER_ADDRESS", "3/1h")]).await;
    let answers = join_all((0..10).map(|number| sign_up_number(&server, number))).await;
    for answer in &answers {
        let status = answer.status.as_u16();
        assert!([201, 429, 503].contains(&status), "{answer:?}");
    }
    // Where some took too long, on a busy machine, others may.
    for number in 10..15 {
        if server.database.count("users").await < 3 {
            sign_up_number(&server, number).await;
        }
    }
    wait(&sign_up_number(&server, 15).await);
    assert_eq!(server.database.count("users").await, 3, "{answers:?}");
    assert_eq!(server.database.count("sessions").await, 3);
}

/// Also those that create no account: each costs work.
async fn attempted_sign_ups_are_bounded(kind: Kind) {
    let server = Server::start_with(kind, &[("SIGNUPS_PER_ADDRESS", "2/1h")]).await;
    assert_eq!(sign_up_number(&server, 0).await.status, 201);
    for _ in 0..5 {
        let taken = sign_up_number(&server, 0).await;
        assert_eq!(taken.code(), "username_taken");
    }
    for _ in 0..4 {
        let invalid = json!({"username": "Ann", "email": "", "password": PASSWORD});
        let answer = server.browser().post("/signup", invalid).await;
        assert_eq!(answer.code(), "invalid");
    }
    let wait = wait(&sign_up_number(&server, 1).await);
    let lock_outs = "audit_events where event = 'lock_out' and reason = 'address_limit'";
    assert_eq!(server.database.count(lock_outs).await, 1);
    server.clock.advance(wait);
    assert_eq!(sign_up_number(&server, 1).await.status, 201);
}

/// An address that keeps failing is not always first when a lockout ends.
async fn the_owner_comes_before_who_keeps_trying(kind: Kind) {
    let settings = [PROXIED, ("LOGIN_FAILURES_PER_ACCOUNT", "3/10m")];
    let server = Server::start_with(kind, &settings).await;
    let new = Application::new("Ann".to_owned()).password(Some(PASSWORD.to_owned()));
    server.accounts().add(new).await.unwrap();
    let (attacker, owner) = ("203.0.113.1", "198.51.100.1");
    let mut waited = Duration::ZERO;
    // Each minute the attacker tries first.
    loop {
        while log_in_from(&server, attacker, "Ann", "a wrong password")
            .await
            .status
            == 400
        {}
        if log_in_from(&server, owner, "Ann", PASSWORD).await.status == 200 {
            break;
        }
        waited += Duration::from_secs(60);
        assert!(waited < Duration::from_secs(600), "locked out");
        server.clock.advance(Duration::from_secs(60));
    }
}

async fn a_known_address_is_written_once_a_day(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    server
        .accounts()
        .add(Application::new("Ann"))
        .await
        .unwrap();
    let browser = server.browser();
    let known_until = async || {
        let sql = "select cast(expires_at as text) from throttles where key like '% known at %'";
        server.database.text(sql).await.unwrap()
    };
    let log_in = async || {
        let ann = browser.post("/login", json!({"username": "Ann"})).await;
        assert_eq!(ann.status, 200);
    };
    log_in().await;
    let first = known_until().await;
    server.clock.advance(Duration::from_secs(23 * 60 * 60));
    log_in().await;
    assert_eq!(known_until().await, first);

    assert_eq!(guess(&browser, "Ann").await.status, 400);
    assert_eq!(server.database.count("throttles where count > 0").await, 3);
    log_in().await;
    let failures = server.database.count("throttles where count > 0").await;
    assert_eq!(failures, 1, "of the address alone");
    let second = known_until().await;
    assert!(second > first, "{second} {first}");
    server.clock.advance(Duration::from_secs(25 * 60 * 60));
    log_in().await;
    assert!(known_until().await > second);
}
