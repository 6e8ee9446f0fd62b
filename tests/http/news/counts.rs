//! Counts of the news, what is deleted with what, and query plans.

use std::collections::BTreeSet;

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::json;

use crate::{
    helpers::{Kind, Server, on_both_databases},
    news::posts::{patch, path_of, put, titles, write_post},
};

on_both_databases!(
    a_vote_counts_once,
    a_hundred_parallel_comments_are_a_hundred,
    deleting_a_post_takes_everything_along,
    what_somebody_wrote_outlives_their_account,
    sample_news_is_loaded_once,
    query_plans_name_their_index,
);

async fn a_vote_counts_once(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let path = path_of(&write_post(&ann, "t").await);
    let vote = format!("{path}/vote");
    let votes = (0..12).map(|number| {
        let browser = if number % 2 == 0 {
            ann.clone()
        } else {
            ben.clone()
        };
        let vote = vote.clone();
        tokio::spawn(async move { put(&browser, &vote).await })
    });
    for answer in join_all(votes.collect::<Vec<_>>()).await {
        let post = answer.unwrap().json();
        assert_eq!(post["voted"], true);
    }
    assert_eq!(ann.get(&path).await.json()["post"]["vote_count"], 2);
    assert_eq!(server.database.count("votes").await, 2);
    for _ in 0..2 {
        let post = ann.delete(&vote).await.json();
        assert_eq!(
            (&post["vote_count"], &post["voted"]),
            (&json!(1), &json!(false))
        );
    }
    assert_eq!(ben.get("/posts").await.json()["posts"][0]["voted"], true);
    assert_eq!(ann.get("/posts").await.json()["posts"][0]["voted"], false);
}

async fn a_hundred_parallel_comments_are_a_hundred(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    let path = path_of(&write_post(&ann, "t").await);
    // As many at a time as the server has connections to the database: more would wait in line.
    stream::iter(0..100)
        .for_each_concurrent(16, async |number| {
            let (browser, path) = (ann.patient(), format!("{path}/comments"));
            let text = json!({"text": format!("c{number}")});
            let comment = tokio::spawn(async move { browser.post(&path, text).await });
            assert_eq!(comment.await.unwrap().status, 201);
        })
        .await;
    let seen = ann.get(&path).await.json();
    let comments = seen["comments"].as_array().unwrap();
    assert_eq!(seen["post"]["comment_count"], comments.len());
    // One that had to be sent again, on a busy machine, may be there twice.
    let different: BTreeSet<_> = comments.iter().map(|it| it["text"].as_str()).collect();
    assert_eq!(different.len(), 100);
}

async fn deleting_a_post_takes_everything_along(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, visitor) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    let kept = path_of(&write_post(&ann, "kept").await);
    let gone = path_of(&write_post(&ann, "gone").await);
    for path in [&kept, &gone] {
        ann.post(&format!("{path}/comments"), json!({"text": "t"}))
            .await;
        put(&ann, &format!("{path}/vote")).await;
        assert_eq!(visitor.get(path).await.status, 200);
    }
    assert_eq!(ann.delete(&gone).await.status, 204);
    for table in ["posts", "comments", "votes", "free_reads"] {
        assert_eq!(server.database.count(table).await, 1, "{table}");
    }
    assert_eq!(
        visitor.get(&kept).await.json()["reads_left"],
        2,
        "a post that is gone is not counted"
    );
}

async fn what_somebody_wrote_outlives_their_account(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, visitor) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    let path = path_of(&write_post(&ann, "t").await);
    ann.post(&format!("{path}/comments"), json!({"text": "c"}))
        .await;
    server.database.execute("delete from users").await;
    let seen = visitor.get(&path).await.json();
    assert_eq!(
        (&seen["post"]["author"], &seen["comments"][0]["author"]),
        (&json!("[deleted]"), &json!("[deleted]"))
    );
    let of_ann = titles(&visitor.get("/posts?author=ann").await);
    assert!(of_ann.is_empty(), "the name may be another's soon");
    ann.check_until(401).await;
    assert_eq!(
        patch(&ann, &path, json!({"title": "x"})).await.reason(),
        "user_gone"
    );
}

async fn sample_news_is_loaded_once(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let load = async || {
        let (db, clock) = (server.auth.db(), server.clock.clock());
        let loaded = handstamp::news::load_demo(db, server.accounts(), &clock)
            .await
            .unwrap();
        (loaded.users, loaded.posts, loaded.comments)
    };
    let (users, posts, comments) = load().await;
    assert!(
        users >= 5 && posts >= 30 && comments >= 50,
        "{users} {posts} {comments}"
    );
    assert_eq!(load().await, (0, 0, 0));

    let jackson = server.browser();
    assert_eq!(jackson.log_in_by_name("Jackson").await.status, 200);
    let list = jackson.get("/posts?limit=100").await.json();
    let list = list["posts"].as_array().unwrap();
    assert_eq!(list.len(), posts);
    assert!(list.is_sorted_by_key(|post| std::cmp::Reverse(post["created_at"].as_str())));
    let counted: i64 = list
        .iter()
        .map(|post| post["comment_count"].as_i64().unwrap())
        .sum();
    assert_eq!(counted, i64::try_from(comments).unwrap());
    assert!(!titles(&jackson.get("/posts?author=me").await).is_empty());
    let busiest = list
        .iter()
        .max_by_key(|post| post["comment_count"].as_i64())
        .unwrap();
    let single = jackson.get(&path_of(busiest)).await.json();
    let times = single["comments"].as_array().unwrap().iter();
    assert!(
        times
            .map(|comment| comment["created_at"].as_str())
            .is_sorted()
    );
}

/// Without an index each of these would read a whole table.
async fn query_plans_name_their_index(kind: Kind) {
    let server = Server::start(kind).await;
    for (name, sql) in handstamp::news::QUERIES {
        let plan = server.database.plan(sql).await;
        assert!(
            !plan.contains("SCAN") && !plan.contains("Seq Scan"),
            "{name}: {plan}"
        );
        assert!(
            plan.contains("INDEX") || plan.contains("Index"),
            "{name}: {plan}"
        );
        assert!(
            !plan.contains("TEMP B-TREE") && !plan.contains("Sort"),
            "{name}: {plan}"
        );
    }
}
