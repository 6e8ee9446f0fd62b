//! Challenges for passkeys: how long each is good, for whom, and how many there are.

use std::{net::SocketAddr, time::Duration};

use axum::{
    extract::{ConnectInfo, Request},
    middleware::map_request,
};
use handstamp::Auth;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::passkey_logins::{ann, refused};
use crate::helpers::{Kind, Server, on_both_databases, wait};

on_both_databases!(
    a_challenge_is_good_once_in_one_browser_for_five_minutes,
    challenges_do_not_pile_up,
    nor_do_those_of_clients_without_an_address,
    a_strangers_response_waits_for_no_writer,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn a_challenge_is_good_once_in_one_browser_for_five_minutes(kind: Kind) {
    let server = Server::start(kind).await;
    let (_, mut authenticator) = ann(&server).await;
    let browser = server.browser();
    let options = browser.options("/login/passkey/options").await;
    let credential = authenticator.get(&options);
    assert_eq!(browser.send_passkey(credential.clone()).await.status, 200);
    let replay = server.browser();
    let answer = replay.send_passkey(credential.clone()).await;
    refused(&replay, &answer, "a copy elsewhere").await;
    browser.log_out().await;
    let answer = browser.send_passkey(credential).await;
    refused(&browser, &answer, "a replay").await;

    let options = browser.options("/login/passkey/options").await;
    let elsewhere = server.browser();
    elsewhere.options("/login/passkey/options").await;
    let credential = authenticator.get(&options);
    let answer = elsewhere.send_passkey(credential.clone()).await;
    refused(&elsewhere, &answer, "another browser's").await;
    let answer = browser.send_passkey(credential).await;
    refused(&browser, &answer, "used up by that").await;

    let options = browser.options("/login/passkey/options").await;
    server.clock.advance(5 * MINUTE);
    let answer = browser.send_passkey(authenticator.get(&options)).await;
    refused(&browser, &answer, "old").await;
    let options = browser.options("/login/passkey/options").await;
    let mut unverified = authenticator.get(&options);
    unverified["response"]["signature"] = json!("AAAA");
    let answer = browser.send_passkey(unverified).await;
    refused(&browser, &answer, "a wrong signature").await;
    let answer = browser.send_passkey(authenticator.get(&options)).await;
    refused(&browser, &answer, "after a wrong attempt").await;

    // Without a response, too.
    for body in [json!({}), json!({"credential": null})] {
        let options = browser.options("/login/passkey/options").await;
        let answer = browser.post("/login/passkey", body.clone()).await;
        refused(&browser, &answer, &body.to_string()).await;
        let answer = browser.send_passkey(authenticator.get(&options)).await;
        refused(&browser, &answer, "after an empty attempt").await;
    }

    // Two pages of one browser.
    let first = browser.options("/login/passkey/options").await;
    let second = browser.options("/login/passkey/options").await;
    let answer = browser.send_passkey(authenticator.get(&first)).await;
    assert_eq!(answer.status, 200);
    let answer = browser.send_passkey(authenticator.get(&second)).await;
    assert_eq!(answer.status, 200);

    let options = browser.options("/login/passkey/options").await;
    authenticator.get(&options);
    server.clock.advance(6 * MINUTE);
    let rows = server.database.count("passkey_challenges").await;
    assert_eq!(rows, 2, "those that nobody has tried");
}

async fn challenges_do_not_pile_up(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ADDRESS", "2/15m")]).await;
    server.clock.stop();
    let (ann, mut authenticator) = ann(&server).await;
    let count = async |purpose: &str| {
        let rows = format!("passkey_challenges where purpose = '{purpose}'");
        server.database.count(&rows).await
    };
    // One browser keeps its newest.
    for _ in 0..20 {
        ann.options("/reauthenticate/passkey/options").await;
        ann.options("/passkeys/options").await;
    }
    assert_eq!(count("reauthenticate").await, 16);
    assert_eq!(count("add").await, 16);
    let options = ann.options("/reauthenticate/passkey/options").await;
    let proof = json!({"credential": authenticator.get(&options)});
    let answer = ann.post("/reauthenticate/passkey", proof).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // Who drops the cookie is another browser, and one address has only so many: twenty for each
    // login that may fail.
    for _ in 0..40 {
        server.browser().options("/login/passkey/options").await;
    }
    let another = server.browser();
    let refused = another.post("/login/passkey/options", json!({})).await;
    assert_eq!(wait(&refused), 15 * MINUTE);
    assert_eq!(count("log_in").await, 40);
    assert_eq!(
        server.browser().log_in("Ann").await.status,
        200,
        "a password is another count"
    );
    server.clock.advance(15 * MINUTE);
    let answer = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200);
}

/// Of an app that is served without connection info.
async fn nor_do_those_of_clients_without_an_address(kind: Kind) {
    let forget_address = async |mut request: Request| {
        request.extensions_mut().remove::<ConnectInfo<SocketAddr>>();
        request
    };
    let app = |auth: Auth| auth.routes().layer(map_request(forget_address));
    let settings = [("LOGIN_FAILURES_PER_ADDRESS", "1/15m")];
    let server = Server::start_app(kind, &settings, app).await;
    server.clock.stop();
    for _ in 0..400 {
        server.browser().options("/login/passkey/options").await;
    }
    let refused = server.browser();
    let refused = refused.post("/login/passkey/options", json!({})).await;
    assert_eq!(wait(&refused), 15 * MINUTE);
    assert_eq!(server.database.count("passkey_challenges").await, 400);
    server.clock.advance(15 * MINUTE);
    server.browser().options("/login/passkey/options").await;
}

/// While somebody else writes: what a stranger sends is read at most.
async fn a_strangers_response_waits_for_no_writer(kind: Kind) {
    let server = Server::start(kind).await;
    let (_, mut authenticator) = ann(&server).await;
    let browser = server.browser();
    let asked = browser.options("/login/passkey/options").await;
    let mut never_asked = asked.clone();
    never_asked["challenge"] = json!("AAAA");
    let strangers = server.browser();
    let responses = [
        authenticator.get(&never_asked),
        json!({}),
        json!({"response": 5}),
    ];
    let send = async |credential: &Value| {
        let answer = strangers.send_passkey(credential.clone()).await;
        refused(&strangers, &answer, &credential.to_string()).await;
    };
    if kind == Kind::Sqlite {
        let lock = server.database.lock_sqlite().await;
        for credential in &responses {
            send(credential).await;
        }
        lock.rollback().await.unwrap();
    } else {
        let mut other = PgConnection::connect(&server.database.url).await.unwrap();
        let mut lock = other.begin().await.unwrap();
        let sql = "lock table passkey_challenges in exclusive mode";
        sqlx::query(sql).execute(&mut *lock).await.unwrap();
        for credential in &responses {
            send(credential).await;
        }
        lock.rollback().await.unwrap();
    }
    // Nor has it used anything up.
    let answer = browser.send_passkey(authenticator.get(&asked)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
