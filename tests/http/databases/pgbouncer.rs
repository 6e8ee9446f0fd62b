//! Two nodes behind PgBouncer in transaction mode.

use crate::{
    helpers::{Kind, Server},
    sessions::{freshness, freshness_under_load},
};

const PGBOUNCER: Kind = Kind::PgBouncer;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_ended_by_another_node_are_revoked_soon() {
    freshness::sessions_ended_by_another_node_are_revoked_soon(PGBOUNCER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_ended_by_a_command_are_revoked_soon() {
    freshness::sessions_ended_by_a_command_are_revoked_soon(PGBOUNCER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_plain_sql_apply_soon() {
    freshness::changes_by_plain_sql_apply_soon(PGBOUNCER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_revocations_under_load() {
    freshness_under_load::a_thousand_revocations_under_load(PGBOUNCER).await;
}

/// Statements of the upstream store included, which reads the values of handlers.
#[tokio::test(flavor = "multi_thread")]
async fn posts_comments_and_the_meter_work() {
    let server = Server::start(PGBOUNCER).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    let post = serde_json::json!({"title": "Rain", "url": "https://example.com/rain"});
    let post = ann.post("/posts", post).await;
    assert_eq!(post.status, 201, "{post:?}");
    let path = format!("/posts/{}", post.json()["id"].as_str().unwrap());
    let comment = serde_json::json!({"text": "Again?"});
    let comment = ann.post(&format!("{path}/comments"), comment).await;
    assert_eq!(comment.status, 201, "{comment:?}");
    for _ in 0..3 {
        let read = server.browser().get(&path).await;
        assert_eq!(read.status, 200, "{read:?}");
    }
    assert_eq!(ann.get("/posts?author=me").await.status, 200);
}
