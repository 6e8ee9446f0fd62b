//! A table that somebody has locked, on PostgreSQL.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::helpers::{Kind, Server};

/// Twice as many as the pool has connections, rounded up: those that are given up are closed.
const ENOUGH: i64 = 48;

#[tokio::test(flavor = "multi_thread")]
async fn queries_that_are_given_up_leave_the_server_as_well() {
    let server = Server::start(Kind::Postgres).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut other = PgConnection::connect(&server.database.url).await.unwrap();
    let mut lock = other.begin().await.unwrap();
    let sql = "lock table sessions in access exclusive mode";
    sqlx::query(sql).execute(&mut *lock).await.unwrap();
    let clients = (0..24).map(|_| {
        let browser = browser.clone();
        tokio::spawn(async move {
            for _ in 0..6 {
                assert_eq!(browser.get("/sessions").await.status, 503);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let here = "pg_stat_activity where datname = current_database()";
    // They leave as soon as PostgreSQL sees that nobody waits for them.
    for _ in 0..500 {
        if server.database.count(here).await <= ENOUGH {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let backends = server.database.count(here).await;
    assert!(backends <= ENOUGH, "{backends} backends");
    lock.rollback().await.unwrap();
    browser.check_until(200).await;
    assert_eq!(browser.get("/sessions").await.status, 200);
}
