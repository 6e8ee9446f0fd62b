//! PostgreSQL's notifications arrive, and the log of revocations makes up for lost ones.

use std::time::Duration;

use handstamp::Db;

use crate::{
    helpers::{Browser, Kind, Server},
    sessions::freshness::{add_ann, log_in, reason_of_the_end, warm_up},
};

/// A server with Ann, whose database announces revocations by this SQL alone.
async fn start_telling_by(sql: &str) -> (Server, Browser) {
    let server = Server::start_with(Kind::Postgres, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let function = format!(
        "create or replace function revoke_sessions(whose uuid[]) returns void
         language sql as $${sql}$$"
    );
    server.database.execute(&function).await;
    let browser = server.browser();
    (server, browser)
}

/// Without the log of revocations, so that the notification alone carries the change.
#[tokio::test(flavor = "multi_thread")]
async fn a_notification_is_received() {
    let notify = "select pg_notify('handstamp_revocations', id::text) from unnest(whose) as id";
    let (server, browser) = start_telling_by(notify).await;
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    server.database.execute("delete from sessions").await;
    let reason = reason_of_the_end(&browser, &cookie).await;
    assert_eq!(reason, "unknown_session");
    assert_eq!(server.database.count("revocations").await, 0);
}

/// Whether or not notifications arrive, and in whatever order transactions commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_notification_is_made_up_for() {
    let write_down = "insert into revocations (whose) select unnest(whose)";
    let (server, browser) = start_telling_by(write_down).await;
    let [first, second] = [log_in(&browser).await, log_in(&browser).await];
    for cookie in [&first, &second] {
        warm_up(&browser, cookie).await;
    }
    let delete = |cookie: &str| {
        let id = &cookie[cookie.len() - 22..];
        format!("delete from sessions where id = '{id}'")
    };
    let db = Db::connect(&server.database.url.parse().unwrap())
        .await
        .unwrap();
    let mut slow = db.begin().await.unwrap();
    sqlx::query(&delete(&first))
        .execute(slow.postgres().unwrap())
        .await
        .unwrap();
    server.database.execute(&delete(&second)).await;
    let reason = reason_of_the_end(&browser, &second).await;
    assert_eq!(reason, "unknown_session");
    warm_up(&browser, &first).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    warm_up(&browser, &first).await;
    slow.commit().await.unwrap();
    let reason = reason_of_the_end(&browser, &first).await;
    assert_eq!(reason, "unknown_session");
}

/// Nothing is received while the connection is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_listener_is_replaced() {
    let server = Server::start_with(Kind::Postgres, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    for _ in 0..3 {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        // It is recognized by its query.
        let listener = "(select pg_terminate_backend(pid) as ended from pg_stat_activity
             where datname = current_database() and query like '%left join revocations%'
                 and pid <> pg_backend_pid()) listeners where ended";
        while server.database.count(listener).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.database.execute("delete from sessions").await;
        let reason = reason_of_the_end(&browser, &cookie).await;
        assert_eq!(reason, "unknown_session");
    }
}
