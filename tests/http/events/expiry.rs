//! A session expires under an open stream, which is no use of it.

use std::time::Duration;

use crate::helpers::{Database, EventStream, Kind, Server, find_user, on_both_databases};

on_both_databases!(
    a_stream_is_no_use_of_its_session,
    uses_by_other_requests_keep_it_open,
    the_absolute_timeout_ends_it,
);

const MINUTE: Duration = Duration::from_secs(60);
const SETTINGS: [(&str, &str); 2] = [
    ("SESSION_IDLE_TIMEOUT", "10m"),
    ("SESSION_ABSOLUTE_TIMEOUT", "1h"),
];

async fn a_stream_is_no_use_of_its_session(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let first = EventStream::open(&browser).await;
    server.clock.advance(6 * MINUTE);
    // Nor is opening one, which browsers do by themselves.
    let second = EventStream::open(&browser).await;
    server.clock.advance(5 * MINUTE);
    assert_eq!(first.reason().await, "expired");
    assert_eq!(second.reason().await, "expired");
    assert_eq!(browser.get("/session/events").await.status, 204);
    assert_eq!(browser.check().await.reason(), "expired");
}

async fn uses_by_other_requests_keep_it_open(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    let other = Server::start_on(Database::at(&server.database.url), &SETTINGS).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let mut stream = EventStream::open(&browser).await;
    let advance = |by| {
        server.clock.advance(by);
        other.clock.advance(by);
    };
    for (round, (minutes, used_on)) in [(9, &server), (7, &other)].into_iter().enumerate() {
        advance(minutes * MINUTE);
        let keep = "create table seen as select last_seen_at from sessions";
        server.database.execute(keep).await;
        let used = used_on.browser().check_with(&cookie).await;
        assert_eq!(used.status, 200);
        // Half a second at most passes between a use and its row, which is no time to this clock.
        let written = "sessions where last_seen_at not in (select last_seen_at from seen)";
        server.database.count_until(written, 1).await;
        server.database.execute("drop table seen").await;
        advance(2 * MINUTE);
        // The stream reads the session at the time when it would have expired.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let ann = find_user(server.accounts(), "Ann").await;
        let email = format!("ann{round}@example.com");
        let accounts = server.accounts();
        accounts.change_email(&ann, Some(&email)).await.unwrap();
        stream.changed().await;
    }
    advance(11 * MINUTE);
    assert_eq!(stream.reason().await, "expired");
}

async fn the_absolute_timeout_ends_it(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let stream = EventStream::open(&browser).await;
    for _ in 0..6 {
        server.clock.advance(9 * MINUTE);
        assert_eq!(browser.check().await.status, 200);
    }
    server.clock.advance(7 * MINUTE);
    assert_eq!(stream.reason().await, "expired");
}
