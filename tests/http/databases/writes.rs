//! Writes that are in each other's way.

use std::time::Duration;

use handstamp::{Db, auth::Application};
use serde_json::json;

use crate::helpers::{Database, Kind, Server};

/// The login holds the user and waits for the session; this transaction the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_a_deadlock_is_tried_again() {
    let database = Database::new(Kind::Postgres).await;
    // PostgreSQL looks for a deadlock after this time, and a login does not wait for much longer than the
    // second that is usual.
    let soon = "do $$ begin
        execute format('alter database %I set deadlock_timeout = ''100ms''', current_database());
    end $$";
    database.execute(soon).await;
    let server = Server::start_on(database, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let ann = Application::new("Ann");
    server.accounts().add(ann).await.unwrap();
    let browser = server.browser();
    let log_in = json!({"username": "Ann"});
    assert_eq!(browser.post("/login", log_in.clone()).await.status, 200);

    let url = server.database.url.parse().unwrap();
    let mut other = Db::connect(&url).await.unwrap().begin().await.unwrap();
    let other = other.postgres().unwrap();
    for sql in [
        // The login is to be the one that finds the deadlock, and fails.
        "set local deadlock_timeout = '60s'",
        "update sessions set id = id",
    ] {
        sqlx::query(sql).execute(&mut *other).await.unwrap();
    }
    let waiting = tokio::spawn(async move { browser.post("/login", log_in).await });
    let held_back = "pg_stat_activity where datname = current_database()
         and wait_event_type = 'Lock'";
    while server.database.count(held_back).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for sql in ["update users set id = id", "rollback"] {
        sqlx::query(sql).execute(&mut *other).await.unwrap();
    }
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(server.database.count("sessions").await, 1);
}
