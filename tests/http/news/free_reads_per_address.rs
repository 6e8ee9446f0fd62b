//! Visitors without a session: what they may open by address, and the rows they leave.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use reqwest::Method;

use crate::{
    helpers::{Answer, Browser, Database, Kind, Server, client_builder, on_both_databases},
    news::posts::with_posts,
};

on_both_databases!(
    head_stores_nothing,
    an_address_opens_a_limited_number_of_posts,
    an_address_is_counted_exactly,
    two_nodes_count_together,
    addresses_have_counts_of_their_own,
    the_limit_can_be_turned_off,
    a_visitor_who_never_returns_is_forgotten_after_a_day,
    a_visitor_who_returns_is_kept,
    a_flood_leaves_no_more_rows_than_the_limit,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const PROXIED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1");

/// A new visitor.
async fn get(server: &Server, path: &str) -> Answer {
    server.browser().get(path).await
}

async fn head(browser: &Browser, path: &str) -> Answer {
    browser.send(browser.request(Method::HEAD, path)).await
}

async fn get_from(server: &Server, address: &str, path: &str) -> u16 {
    let browser = server.browser();
    let request = browser.request(Method::GET, path);
    let request = request.header("x-forwarded-for", address);
    browser.send(request).await.status.as_u16()
}

/// Rows left by visitors: sessions, reads, and counts by address.
async fn rows(database: &Database) -> (i64, i64, i64) {
    (
        database.count("sessions where user_id is null").await,
        database.count("free_reads").await,
        database.count("throttles where key like 'post %'").await,
    )
}

async fn head_stores_nothing(kind: Kind) {
    let settings = [("FREE_READS", "1"), ("FREE_READS_PER_ADDRESS", "2/1h")];
    let (server, paths) = with_posts(kind, &settings, 2).await;
    for _ in 0..5 {
        let answer = head(&server.browser(), &paths[0]).await;
        assert_eq!((answer.status.as_u16(), answer.set_session()), (200, None));
        assert_eq!(answer.text, "");
    }
    assert_eq!(head(&server.browser(), "/posts/nonsense").await.status, 404);
    assert_eq!(rows(&server.database).await, (0, 0, 0));

    // The status that a GET would have, as far as it can be known.
    let visitor = server.browser();
    assert_eq!(visitor.get(&paths[0]).await.status, 200);
    assert_eq!(head(&visitor, &paths[0]).await.status, 200);
    assert_eq!(head(&visitor, &paths[1]).await.status, 402);
    assert_eq!(get(&server, &paths[1]).await.status, 200);
    assert_eq!(head(&server.browser(), &paths[1]).await.status, 402);
    assert_eq!(head(&visitor, &paths[0]).await.status, 200);
    let author = server.browser();
    author.log_in("Author").await;
    assert_eq!(head(&author, &paths[1]).await.status, 200);
    assert_eq!(rows(&server.database).await, (2, 2, 1));

    let server = server.restart_with(&[("FREE_READS", "0")]).await;
    assert_eq!(head(&server.browser(), &paths[0]).await.status, 402);
}

async fn an_address_opens_a_limited_number_of_posts(kind: Kind) {
    let settings = [("FREE_READS_PER_ADDRESS", "5/1h")];
    let (server, paths) = with_posts(kind, &settings, 4).await;
    let visitor = server.browser();
    assert_eq!(visitor.get(&paths[0]).await.status, 200);
    assert_eq!(get(&server, "/posts/nonsense").await.status, 404);
    for path in &paths {
        assert_eq!(get(&server, path).await.status, 200);
    }
    for _ in 0..3 {
        let answer = get(&server, &paths[0]).await;
        assert_eq!((answer.status.as_u16(), answer.set_session()), (402, None));
        assert_eq!(answer.code(), "free_reads_used");
        assert_eq!(answer.json()["limit"], 3);
    }
    assert_eq!(rows(&server.database).await, (5, 5, 1));
    // A client with a session is metered by it, a logged-in user not at all.
    for path in &paths[..3] {
        assert_eq!(visitor.get(path).await.status, 200);
    }
    assert_eq!(visitor.get(&paths[3]).await.status, 402);
    let author = server.browser();
    author.log_in("Author").await;
    assert_eq!(author.get(&paths[3]).await.status, 200);
    // A cookie without a live session counts as none.
    let dead = "session=made-up";
    let answer = server.browser().get_with(&paths[0], dead).await;
    assert_eq!(answer.status, 402);

    if kind == Kind::Sqlite {
        // Nothing is written: another connection holds the lock.
        let lock = server.database.lock_sqlite().await;
        assert_eq!(get(&server, &paths[0]).await.status, 402);
        drop(lock);
    }
    server.clock.advance(HOUR);
    assert_eq!(get(&server, &paths[0]).await.status, 200);
    assert_eq!(rows(&server.database).await, (6, 8, 1));
}

/// Has 100 visitors read at once, of which 20 may. Where some of those had to wait for too long, as on a
/// busy machine, others may who come after them.
async fn twenty_of_many_read(servers: &[&Server], path: &str) {
    let database = &servers[0].database;
    let read = |number: usize| {
        let browser = servers[number % servers.len()].browser();
        let path = path.to_owned();
        async move { browser.get(&path).await.status.as_u16() }
    };
    let at_once = (0..100).map(|number| tokio::spawn(read(number)));
    let mut opened = 0;
    for status in join_all(at_once.collect::<Vec<_>>()).await {
        let status = status.unwrap();
        assert!([200, 402, 503].contains(&status), "{status}");
        opened += i64::from(status == 200);
    }
    assert!((1..=20).contains(&opened), "{opened}");
    for number in 0..100 {
        if rows(database).await.0 < 20 {
            read(number).await;
        }
    }
    assert_eq!(read(0).await, 402);
    assert_eq!(rows(database).await, (20, 20, 1));
}

async fn an_address_is_counted_exactly(kind: Kind) {
    let settings = [("FREE_READS_PER_ADDRESS", "20/1d")];
    let (server, paths) = with_posts(kind, &settings, 1).await;
    twenty_of_many_read(&[&server], &paths[0]).await;
}

async fn two_nodes_count_together(kind: Kind) {
    let settings = [("FREE_READS_PER_ADDRESS", "20/1d")];
    let (server, paths) = with_posts(kind, &settings, 1).await;
    let other = Server::start_on(Database::at(&server.database.url), &settings).await;
    twenty_of_many_read(&[&server, &other], &paths[0]).await;
}

async fn addresses_have_counts_of_their_own(kind: Kind) {
    let settings = [PROXIED, ("FREE_READS_PER_ADDRESS", "1/1d")];
    let (server, paths) = with_posts(kind, &settings, 1).await;
    for (address, status) in [
        ("198.51.100.1", 200),
        ("198.51.100.1", 402),
        ("198.51.100.2", 200),
        ("2001:db8:1:2::3", 200),
        ("2001:db8:1:2::4", 402),
        ("2001:db8:1:3::3", 200),
        ("::ffff:198.51.100.2", 402),
    ] {
        assert_eq!(
            get_from(&server, address, &paths[0]).await,
            status,
            "{address}"
        );
    }
    assert_eq!(rows(&server.database).await, (4, 4, 4));
}

async fn the_limit_can_be_turned_off(kind: Kind) {
    let settings = [("FREE_READS_PER_ADDRESS", "unlimited")];
    let (server, paths) = with_posts(kind, &settings, 1).await;
    for _ in 0..3 {
        assert_eq!(get(&server, &paths[0]).await.status, 200);
    }
    assert_eq!(rows(&server.database).await, (3, 3, 0));
    // Where reading is free, nothing is metered.
    let settings = [
        ("FREE_READS", "unlimited"),
        ("FREE_READS_PER_ADDRESS", "1/1d"),
    ];
    let server = server.restart_with(&settings).await;
    for _ in 0..3 {
        assert_eq!(get(&server, &paths[0]).await.status, 200);
    }
    assert_eq!(rows(&server.database).await, (3, 3, 0));
}

async fn a_visitor_who_never_returns_is_forgotten_after_a_day(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 2).await;
    let visitor = server.browser();
    assert_eq!(visitor.get(&paths[0]).await.json()["reads_left"], 2);
    server.clock.advance(DAY);
    let cookie = format!("session={}", visitor.session().unwrap());
    let expired = server.browser().check_with(&cookie).await;
    assert_eq!(expired.reason(), "expired");
    let again = visitor.get(&paths[1]).await;
    assert_eq!(again.json()["reads_left"], 2, "starts over");
    assert!(again.set_session().is_some());
    assert_eq!(rows(&server.database).await, (2, 2, 1));
    server.clock.advance(2 * HOUR);
    assert_eq!(server.auth.purge_expired_sessions().await.unwrap(), 1);
    assert_eq!(rows(&server.database).await, (1, 1, 1));
}

async fn a_visitor_who_returns_is_kept(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 4).await;
    // Right away, as a reader does; and in the last hour of the day.
    let (soon, late) = (server.browser(), server.browser());
    assert_eq!(soon.get(&paths[0]).await.json()["reads_left"], 2);
    assert_eq!(late.get(&paths[0]).await.json()["reads_left"], 2);
    assert_eq!(soon.get(&paths[1]).await.json()["reads_left"], 1);
    let used = "sessions where user_id is null and last_seen_at > created_at";
    server.database.count_until(used, 1).await;
    server.clock.advance(23 * HOUR);
    assert_eq!(late.get(&paths[1]).await.json()["reads_left"], 1);
    server.database.count_until(used, 2).await;
    server.clock.advance(12 * DAY);
    assert_eq!(server.auth.purge_expired_sessions().await.unwrap(), 0);
    for visitor in [&soon, &late] {
        assert_eq!(visitor.get(&paths[2]).await.json()["reads_left"], 0);
        assert_eq!(visitor.get(&paths[3]).await.status, 402);
    }
    // It survives a restart.
    let cookie = format!("session={}", soon.session().unwrap());
    server.database.count_until(used, 2).await;
    let server = server.restart_with(&[]).await;
    server.clock.advance(DAY);
    let answer = server.browser().get_with(&paths[2], &cookie).await;
    assert_eq!(answer.json()["reads_left"], 0);
}

/// As many as a test can wait for.
const FLOOD: usize = 3_000;

async fn a_flood_leaves_no_more_rows_than_the_limit(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 1).await;
    let client = client_builder().build().unwrap();
    let url = format!("{}{}", server.base, paths[0]);
    let opened = async || {
        let statuses = stream::iter(0..FLOOD)
            .map(|_| async { client.get(&url).send().await.unwrap().status().as_u16() })
            .buffer_unordered(64)
            .collect::<Vec<u16>>()
            .await;
        statuses.iter().filter(|status| **status == 200).count()
    };
    assert_eq!(opened().await, 200);
    assert_eq!(rows(&server.database).await, (200, 200, 1));
    // From here on: while rows are inserted, PostgreSQL extends its files ahead of them, the more
    // of them the busier it is.
    let before = server.database.bytes().await;
    assert_eq!(opened().await, 0);
    assert_eq!(rows(&server.database).await, (200, 200, 1));
    let grown = server.database.bytes().await - before;
    assert!(grown < 1_000_000, "grown by {grown} bytes");
}
