//! PostgreSQL's log of revocations: every row is read, whatever happens to the reader.

use std::{process::Command, time::Duration};

use handstamp::{Db, db::Tx};

use crate::{
    helpers::{Browser, Database, Kind, Server, Workplace},
    sessions::freshness::{
        ROUNDS, add_ann, change_without_revocation, check, log_in, reason_of_the_end, warm_up,
    },
};

const PASSWORDLESS: &[(&str, &str)] = &[("PASSWORDLESS_LOGIN", "on")];

async fn start() -> (Server, Browser) {
    let server = Server::start_with(Kind::Postgres, PASSWORDLESS).await;
    add_ann(&server).await;
    let browser = server.browser();
    (server, browser)
}

/// A transaction of another node.
async fn begin_elsewhere(server: &Server) -> Tx {
    let db = Db::connect(&server.database.url.parse().unwrap()).await;
    db.unwrap().begin().await.unwrap()
}

async fn execute(tx: &mut Tx, sql: &str) {
    let conn = tx.postgres().unwrap();
    sqlx::query(sql).execute(conn).await.unwrap();
}

/// The SQL that ends a session.
fn deletion(cookie: &str) -> String {
    let id = &cookie[cookie.len() - 22..];
    format!("delete from sessions where id = '{id}'")
}

/// Polls until a cached session is refused, with nothing but 200 and 503 before.
async fn until_refused(browser: &Browser, cookie: &str) {
    for _ in 0..1000 {
        match check(browser, cookie).await.status.as_u16() {
            401 => return,
            200 | 503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    panic!("still logged in");
}

/// Polls until a live session is accepted, with nothing but 503 before.
async fn until_accepted(browser: &Browser, cookie: &str) {
    for _ in 0..1000 {
        match check(browser, cookie).await.status.as_u16() {
            200 => return,
            503 => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other}"),
        }
    }
    panic!("still not accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_in_whatever_order_transactions_commit() {
    let (server, browser) = start().await;
    let [first, second, third] = [
        log_in(&browser).await,
        log_in(&browser).await,
        log_in(&browser).await,
    ];
    for cookie in [&first, &second, &third] {
        warm_up(&browser, cookie).await;
    }
    let mut slow = begin_elsewhere(&server).await;
    execute(&mut slow, &deletion(&first)).await;
    let mut slower = begin_elsewhere(&server).await;
    execute(&mut slower, &deletion(&third)).await;
    server.database.execute(&deletion(&second)).await;
    let reason = reason_of_the_end(&browser, &second).await;
    assert_eq!(reason, "unknown_session");
    for (transaction, cookie) in [(slow, first), (slower, third)] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        warm_up(&browser, &cookie).await;
        transaction.commit().await.unwrap();
        let reason = reason_of_the_end(&browser, &cookie).await;
        assert_eq!(reason, "unknown_session");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_connection_is_cut_is_replaced() {
    let (server, browser) = start().await;
    for _ in 0..3 {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        // It is recognized by its query.
        let readers = "(select pg_terminate_backend(pid) as ended from pg_stat_activity
             where datname = current_database() and query like '%from revocations where xid%'
                 and pid <> pg_backend_pid()) readers where ended";
        while server.database.count(readers).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.database.execute("delete from sessions").await;
        let reason = reason_of_the_end(&browser, &cookie).await;
        assert_eq!(reason, "unknown_session");
    }
}

/// The cookie of a session that the server remembers, and whose row is gone.
async fn only_in_memory(server: &Server, browser: &Browser) -> String {
    for _ in 0..ROUNDS {
        let cookie = log_in(browser).await;
        warm_up(browser, &cookie).await;
        change_without_revocation(server, &deletion(&cookie)).await;
        if check(browser, &cookie).await.status == 200 {
            return cookie;
        }
    }
    panic!("never from the cache");
}

/// The log is locked, so that no reading completes; the session was ended without a row in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_read_the_log_uses_no_cache() {
    let (server, browser) = start().await;
    let cookie = only_in_memory(&server, &browser).await;
    let mut lock = begin_elsewhere(&server).await;
    execute(&mut lock, "lock table revocations").await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(check(&browser, &cookie).await.reason(), "unknown_session");
    drop(lock);
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_uses_nothing_cached_before() {
    let key = handstamp::auth::generate_secret_key();
    let database = Database::new(Kind::Postgres).await;
    let workplace = Workplace::new(&[
        ("SECRET_KEY", &key),
        ("DATABASE_URL", &database.url),
        ("PASSWORDLESS_LOGIN", "on"),
    ]);
    let added = workplace.run(&["user", "add", "Ann", "--no-password"]);
    assert!(added.status.success());
    let process = workplace.serve();
    let browser = process.browser();
    for stopped in [1100, 2500] {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        process.signal("STOP");
        database.execute("delete from sessions").await;
        tokio::time::sleep(Duration::from_millis(stopped)).await;
        process.signal("CONT");
        let first = check(&browser, &cookie).await;
        assert_eq!(first.reason(), "unknown_session", "after {stopped} ms");
    }
}

/// Every connection is cut, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_log_nobody_out() {
    let (server, browser) = start().await;
    let [stays, ends] = [log_in(&browser).await, log_in(&browser).await];
    for cookie in [&stays, &ends] {
        warm_up(&browser, cookie).await;
    }
    change_without_revocation(&server, &deletion(&ends)).await;
    let cut = "(select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()) all_others";
    for _ in 0..5 {
        // Connections that were cut may not have been replaced yet.
        while server.database.count(cut).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        until_accepted(&browser, &stays).await;
    }
    until_refused(&browser, &ends).await;
    until_accepted(&browser, &stays).await;
}

/// The server that `scripts/test` has started to be restarted, reached without and with
/// PgBouncer, which keeps the connections of its clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_postgres_logs_nobody_out() {
    let mut nodes = Vec::new();
    for database in Database::on_server_to_restart().await {
        let server = Server::start_on(database, PASSWORDLESS).await;
        add_ann(&server).await;
        let browser = server.browser();
        let stays = log_in(&browser).await;
        warm_up(&browser, &stays).await;
        // Without a row in the log, as when a failover has lost it.
        let ends = only_in_memory(&server, &browser).await;
        nodes.push((server, browser, stays, ends));
    }
    let restart = std::env::var("TEST_POSTGRES_RESTART").unwrap();
    let restarted = tokio::task::spawn_blocking(|| Command::new(restart).status().unwrap());
    for (_, browser, stays, _) in &nodes {
        until_accepted(browser, stays).await;
    }
    assert!(restarted.await.unwrap().success());
    for (_, browser, stays, ends) in &nodes {
        until_refused(browser, ends).await;
        until_accepted(browser, stays).await;
        let cookie = log_in(browser).await;
        warm_up(browser, &cookie).await;
    }
}
