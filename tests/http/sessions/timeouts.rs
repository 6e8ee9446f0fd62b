//! Sessions expire on the server, whatever the cookie says.

use std::time::Duration;

use handstamp::auth::keep_purging;

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    idle_and_absolute_timeouts_hold_both,
    a_use_is_written_down_once_a_minute,
    a_shorter_timeout_holds_for_sessions_already_there,
    expired_rows_are_removed_and_live_ones_stay,
    the_server_removes_expired_rows_by_itself,
);

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn idle_and_absolute_timeouts_hold_both(kind: Kind) {
    let server = Server::start(kind).await;
    let idle = server.browser();
    idle.sign_up("Ann").await;
    let busy = server.browser();
    busy.log_in("Ann").await;

    // 13 days each time: never idle for 14, but past 30 at the third.
    for _ in 0..2 {
        server.clock.advance(13 * DAY);
        assert_eq!(busy.check().await.status, 200);
    }
    assert_eq!(idle.check().await.reason(), "expired");
    assert_eq!(idle.get("/sessions").await.reason(), "expired");
    let listed = busy.get("/sessions").await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    server.clock.advance(4 * DAY);
    assert_eq!(busy.check().await.reason(), "expired");
    assert_eq!(busy.log_in("Ann").await.status, 200);
    assert_eq!(busy.check().await.status, 200);
}

async fn a_use_is_written_down_once_a_minute(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let last_seen = async || {
        let listed = browser.get("/sessions").await.json();
        listed["sessions"][0]["last_seen_at"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = last_seen().await;
    server.clock.advance(MINUTE / 2);
    assert_eq!(last_seen().await, first);
    server.clock.advance(MINUTE);
    let second = last_seen().await;
    assert!(second > first, "{second}");
    assert_eq!(last_seen().await, second);

    // A tenth of the idle timeout where that is shorter.
    let server = server
        .restart_with(&[("SESSION_IDLE_TIMEOUT", "50s")])
        .await;
    let browser = server.browser();
    browser.log_in("Ann").await;
    for _ in 0..12 {
        server.clock.advance(Duration::from_secs(40));
        assert_eq!(browser.check().await.status, 200);
    }
    server.clock.advance(Duration::from_secs(51));
    assert_eq!(browser.check().await.reason(), "expired");
}

async fn a_shorter_timeout_holds_for_sessions_already_there(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let server = server
        .restart_with(&[("SESSION_ABSOLUTE_TIMEOUT", "10m")])
        .await;
    assert_eq!(server.browser().check_with(&cookie).await.status, 200);
    server.clock.advance(11 * MINUTE);
    assert_eq!(
        server.browser().check_with(&cookie).await.reason(),
        "expired"
    );
}

async fn expired_rows_are_removed_and_live_ones_stay(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server.clock.advance(15 * DAY);
    let live = server.browser();
    live.sign_up("Ben").await;
    assert_eq!(server.database.count("sessions").await, 2);
    assert_eq!(server.auth.purge_expired_sessions().await.unwrap(), 1);
    assert_eq!(server.database.count("sessions").await, 1);
    assert_eq!(live.check().await.status, 200);
    assert_eq!(browser.check().await.reason(), "unknown_session");

    // More than a batch, and found by the index.
    server.database.execute("delete from sessions").await;
    add_expired(kind, &server, 1200).await;
    assert_eq!(server.auth.purge_expired_sessions().await.unwrap(), 1200);
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn the_server_removes_expired_rows_by_itself(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    // Several batches.
    add_expired(kind, &server, 35).await;
    let purging = tokio::spawn(keep_purging(server.auth.clone(), MINUTE));
    let removed = async {
        while server.database.count("sessions").await > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(MINUTE, removed).await.unwrap();
    purging.abort();
    assert_eq!(browser.check().await.status, 200);
}

async fn add_expired(kind: Kind, server: &Server, count: u32) {
    let row = "(id, data, expiry_date, public_id, created_at, last_seen_at)";
    let many = match kind {
        Kind::Sqlite => format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})
             insert into sessions {row}
             select 'old' || i, x'00', '2020-01-01T00:00:00.000000Z', randomblob(16), '2020', '2020'
             from n"
        ),
        Kind::Postgres | Kind::PgBouncer => format!(
            "insert into sessions {row}
             select 'old' || i, '\\x00', '2020-01-01Z', gen_random_uuid(), '2020-01-01Z', '2020-01-01Z'
             from generate_series(1, {count}) i"
        ),
    };
    server.database.execute(&many).await;
}
