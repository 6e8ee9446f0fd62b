//! A session expires at its `expiry_date`, also when an operator wrote it.

use std::time::Duration;

use reqwest::Method;

use crate::{
    helpers::{Browser, Kind, Server, on_both_databases},
    sessions::freshness::{
        add_ann, ask, change_without_revocation, check, log_in, reason_of_the_end, warm_up,
    },
};

on_both_databases!(
    an_operators_clean_up_is_seen_soon,
    a_use_brings_no_expired_session_back,
    a_date_to_come_is_kept_until_the_next_use,
    expired_sessions_are_not_listed,
);

const TWO_MINUTES: Duration = Duration::from_secs(120);
const PAST: &str = "2020-01-01T00:00:00.000000Z";

async fn start(kind: Kind) -> (Server, Browser) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    (server, browser)
}

async fn an_operators_clean_up_is_seen_soon(kind: Kind) {
    let (server, browser) = start(kind).await;
    let now = match kind {
        Kind::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
        Kind::Postgres | Kind::PgBouncer => "now()",
    };
    let clean_up = format!("delete from sessions where expiry_date < {now}");
    // Whatever date it is backdated to.
    for date in [PAST, "2026-01-01T00:00:00.000000Z"] {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        let over = format!("update sessions set expiry_date = '{date}'");
        server.database.execute(&over).await;
        server.database.execute(&clean_up).await;
        assert_eq!(server.database.count("sessions").await, 0);
        let reason = reason_of_the_end(&browser, &cookie).await;
        assert!(
            ["unknown_session", "expired"].contains(&&*reason),
            "{reason}"
        );
    }
}

async fn a_use_brings_no_expired_session_back(kind: Kind) {
    let (server, browser) = start(kind).await;
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    let over = format!("update sessions set expiry_date = '{PAST}'");
    change_without_revocation(&server, &over).await;
    server.clock.advance(TWO_MINUTES);
    assert_eq!(reason_of_the_end(&browser, &cookie).await, "expired");
    let revived = format!("sessions where expiry_date > '{PAST}'");
    assert_eq!(server.database.count(&revived).await, 0);
}

async fn a_date_to_come_is_kept_until_the_next_use(kind: Kind) {
    let (server, browser) = start(kind).await;
    let [unused, used] = [log_in(&browser).await, log_in(&browser).await];
    for cookie in [&unused, &used] {
        warm_up(&browser, cookie).await;
    }
    let soon = match kind {
        Kind::Sqlite => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+10 minutes')",
        Kind::Postgres | Kind::PgBouncer => "now() + interval '10 minutes'",
    };
    let shorten = format!("update sessions set expiry_date = {soon}");
    server.database.execute(&shorten).await;
    // Until the node has read of it.
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.clock.advance(4 * TWO_MINUTES);
    assert_eq!(check(&browser, &used).await.status, 200);
    server.clock.advance(2 * TWO_MINUTES);
    assert_eq!(check(&browser, &unused).await.reason(), "expired");
    assert_eq!(check(&browser, &used).await.status, 200);
}

async fn expired_sessions_are_not_listed(kind: Kind) {
    let (server, browser) = start(kind).await;
    log_in(&browser).await;
    let over = format!("update sessions set expiry_date = '{PAST}'");
    server.database.execute(&over).await;
    let own = log_in(&browser).await;
    let listed = ask(&browser, Method::GET, "/sessions", &own).await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
}

/// Otherwise each session in use would be revoked on every node once a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_not_told() {
    let (server, browser) = start(Kind::Postgres).await;
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    let told = server.database.count("revocations").await;
    let seen = "select last_seen_at::text from sessions";
    let before = server.database.text(seen).await;
    server.clock.advance(TWO_MINUTES);
    assert_eq!(check(&browser, &cookie).await.status, 200);
    let mut tries = 0;
    while server.database.text(seen).await == before {
        tries += 1;
        assert!(tries < 500, "the use was never written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.database.count("revocations").await, told);
}
