//! The paywall: different posts per visitor, exactly.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};

use crate::{
    helpers::{Browser, Kind, Server, on_both_databases},
    news::posts::{path_of, with_posts},
};

on_both_databases!(
    fifty_at_once_open_three,
    the_meter_counts_different_posts,
    reads_are_kept_over_restarts_and_forgotten_after_the_window,
    logged_in_readers_cost_no_row,
    the_meter_can_be_set_and_turned_off,
    past_the_limit_the_beginning_of_the_post_is_shown,
    visitors_are_purged_with_their_sessions,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn left(browser: &Browser, path: &str) -> Value {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["reads_left"].clone()
}

async fn fifty_at_once_open_three(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 51).await;
    for round in 0..20 {
        let visitor = server.browser();
        // The visitor gets a cookie first, by one of the three reads.
        assert_eq!(left(&visitor, &paths[0]).await, 2);
        // As many at a time as the server has connections to the database. One that has to be sent again, on
        // a busy machine, is of the same post.
        let opened = stream::iter(paths[..50].iter().cloned()).map(|path| {
            let browser = visitor.patient();
            let opened =
                tokio::spawn(async move { (browser.get(&path).await.status.as_u16(), path) });
            async { opened.await.unwrap() }
        });
        let opened: Vec<_> = opened.buffer_unordered(16).collect().await;
        let count = |wanted| {
            opened
                .iter()
                .filter(|(status, _)| *status == wanted)
                .count()
        };
        assert_eq!((count(200), count(402)), (3, 47), "round {round}");
        for (_, path) in opened.iter().filter(|(status, _)| *status == 200) {
            assert_eq!(left(&visitor, path).await, 0, "opening one again is free");
        }
        let answer = visitor.get(&paths[50]).await;
        assert_eq!(answer.code(), "free_reads_used");
        assert_eq!(answer.json()["limit"], 3);
        if round == 0 {
            visitor.log_in("Author").await;
            for path in &paths {
                assert_eq!(
                    left(&visitor, path).await,
                    json!(null),
                    "logging in opens all"
                );
            }
        }
    }
}

async fn the_meter_counts_different_posts(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 4).await;
    let visitor = server.browser();
    for (path, expected) in [(0, 2), (0, 2), (1, 1), (0, 1), (2, 0), (1, 0), (2, 0)] {
        assert_eq!(left(&visitor, &paths[path]).await, expected);
    }
    let answer = visitor.get(&paths[3]).await;
    assert_eq!(answer.status, 402);
    assert_eq!(answer.set_session(), None, "the first cookie is whole");
    assert_eq!(visitor.get("/posts").await.status, 200, "lists are free");
    assert_eq!(visitor.get("/posts/nonsense").await.status, 404);
    assert_eq!(left(&visitor, &paths[0]).await, 0);
    assert_eq!(
        left(&server.browser(), &paths[3]).await,
        2,
        "each visitor has their own"
    );
    assert_eq!(
        visitor.check().await.reason(),
        "unknown_session",
        "it logs nobody in"
    );

    // Eight at once on the same post open one.
    let other = server.browser();
    assert_eq!(left(&other, &paths[0]).await, 2);
    let same = (0..8).map(|_| {
        let (browser, path) = (other.clone(), paths[1].clone());
        tokio::spawn(async move { left(&browser, &path).await })
    });
    for answer in join_all(same.collect::<Vec<_>>()).await {
        assert_eq!(answer.unwrap(), 1);
    }
}

async fn reads_are_kept_over_restarts_and_forgotten_after_the_window(kind: Kind) {
    let settings = [("FREE_READS_WINDOW", "7d")];
    let (server, paths) = with_posts(kind, &settings, 5).await;
    let visitor = server.browser();
    for path in &paths[..3] {
        visitor.get(path).await;
    }
    let cookie = format!("session={}", visitor.session().unwrap());
    let server = server.restart_with(&settings).await;
    let browser = server.browser();
    assert_eq!(browser.get_with(&paths[3], &cookie).await.status, 402);
    assert_eq!(browser.get_with(&paths[2], &cookie).await.status, 200);
    server.clock.advance(6 * DAY);
    assert_eq!(browser.get_with(&paths[3], &cookie).await.status, 402);
    server.clock.advance(2 * DAY);
    assert_eq!(
        browser.get_with(&paths[3], &cookie).await.json()["reads_left"],
        2
    );
    assert_eq!(
        browser.get_with(&paths[0], &cookie).await.json()["reads_left"],
        1,
        "a new count"
    );
    assert_eq!(
        browser.get_with(&paths[0], &cookie).await.json()["reads_left"],
        1
    );
}

async fn logged_in_readers_cost_no_row(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 5).await;
    let reader = server.browser();
    reader.log_in("Author").await;
    for path in &paths {
        assert_eq!(left(&reader, path).await, json!(null));
    }
    assert_eq!(server.database.count("free_reads").await, 0);
}

async fn the_meter_can_be_set_and_turned_off(kind: Kind) {
    let (server, paths) = with_posts(kind, &[("FREE_READS", "unlimited")], 5).await;
    let visitor = server.browser();
    for path in &paths {
        assert_eq!(left(&visitor, path).await, json!(null));
    }
    assert_eq!(visitor.session(), None);
    let server = server.restart_with(&[("FREE_READS", "1")]).await;
    let visitor = server.browser();
    assert_eq!(left(&visitor, &paths[0]).await, 0);
    assert_eq!(visitor.get(&paths[1]).await.json()["limit"], 1);
    let server = server.restart_with(&[("FREE_READS", "0")]).await;
    let visitor = server.browser();
    assert_eq!(visitor.get(&paths[0]).await.json()["limit"], 0);
    assert_eq!(visitor.session(), None);
}

async fn past_the_limit_the_beginning_of_the_post_is_shown(kind: Kind) {
    let server = Server::start_with(kind, &[("FREE_READS", "0")]).await;
    let author = server.browser();
    author.sign_up("Author").await;
    let text = "It begins here, and the rest of it is for those who have logged in.";
    let post = json!({"title": "Long", "url": "https://example.com/", "text": text});
    let post = author.post("/posts", post).await.json();
    let comment = json!({"text": "Not shown."});
    author
        .post(&format!("{}/comments", path_of(&post)), comment)
        .await;

    let answer = server.browser().get(&path_of(&post)).await;
    assert_eq!(answer.code(), "free_reads_used");
    assert_eq!(
        answer.json()["preview"],
        json!({
            "title": "Long",
            "url": "https://example.com/",
            "text": "It begins here, and the rest of…",
            "author": "Author",
            "comment_count": 1,
            "vote_count": 0,
            "created_at": post["created_at"],
        })
    );
    let wholly_without = author.post("/posts", json!({"title": "Bare"})).await.json();
    let answer = server.browser().get(&path_of(&wholly_without)).await;
    assert_eq!(answer.json()["preview"]["text"], json!(null));
}

async fn visitors_are_purged_with_their_sessions(kind: Kind) {
    let (server, paths) = with_posts(kind, &[], 2).await;
    let visitor = server.browser();
    visitor.get(&paths[0]).await;
    visitor.get(&paths[1]).await;
    server.clock.advance(15 * DAY);
    assert_eq!(
        left(&visitor, &paths[0]).await,
        2,
        "an expired session no longer counts"
    );
    assert_eq!(server.database.count("free_reads").await, 3);
    server.auth.purge_expired_sessions().await.unwrap();
    assert_eq!(server.database.count("free_reads").await, 1);
    // A login ends the visitor's session and its count.
    visitor.log_in("Author").await;
    assert_eq!(server.database.count("free_reads").await, 0);
}
