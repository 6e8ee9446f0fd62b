//! Cached sessions do not outlive the rows that they mirror.

use std::time::Duration;

use handstamp::auth::{AccountState, Accounts, Application};
use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    Answer, Browser, Database, Kind, PASSWORD, Server, find_user, on_both_databases,
};

on_both_databases!(
    who_is_in_memory_needs_no_database,
    no_more_are_kept_than_there_is_room_for,
    sessions_ended_by_this_process_are_revoked_at_once,
    sessions_ended_by_a_second_auth_are_revoked_at_once,
    sessions_ended_by_a_command_are_revoked_soon,
    sessions_ended_by_another_node_are_revoked_soon,
    changes_by_plain_sql_apply_soon,
    nobody_is_logged_out_by_a_broken_table,
);

pub async fn add_ann(server: &Server) {
    let ann = Application::new("Ann");
    server.accounts().add(ann).await.unwrap();
}

/// How often it is tried to find a session in memory: a node uses what it remembers only where it has just
/// heard what others change, which a busy machine delays.
pub const ROUNDS: u32 = 5;

/// A new session of Ann's, as a `Cookie` header.
pub async fn log_in(browser: &Browser) -> String {
    let request = browser
        .request(Method::POST, "/login")
        .header("cookie", "none=1")
        .json(&json!({"username": "Ann"}));
    let answer = browser.patient().send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    format!("session={}", answer.set_session().unwrap())
}

pub async fn ask(browser: &Browser, method: Method, path: &str, cookie: &str) -> Answer {
    browser
        .send(browser.request(method, path).header("cookie", cookie))
        .await
}

pub async fn check(browser: &Browser, cookie: &str) -> Answer {
    ask(browser, Method::GET, "/checklogin", cookie).await
}

/// Polls until the session is cached, so that the next request does not read the table.
pub async fn warm_up(browser: &Browser, cookie: &str) {
    for _ in 0..5 {
        assert_eq!(check(browser, cookie).await.status, 200);
        // The first poll for changes by others is about to happen.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Polls until nobody is logged in; returns the reason.
pub async fn reason_of_the_end(browser: &Browser, cookie: &str) -> String {
    for _ in 0..500 {
        let answer = check(browser, cookie).await;
        if answer.status != 200 {
            return answer.reason();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still logged in after ten seconds");
}

/// Changes the database, without a row in the log of revocations.
pub async fn change_without_revocation(server: &Server, sql: &str) {
    let mut tx = server.auth.db().begin().await.unwrap();
    if let Some(conn) = tx.sqlite() {
        // By the connection whose own writes nobody is told of.
        sqlx::query(sql).execute(conn).await.unwrap();
    } else if let Some(conn) = tx.postgres() {
        let silence = "set local session_replication_role = replica";
        sqlx::query(silence).execute(&mut *conn).await.unwrap();
        sqlx::query(sql).execute(conn).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn who_is_in_memory_needs_no_database(kind: Kind) {
    for (entries, expected) in [("10", 200), ("0", 401)] {
        let settings = [
            ("SESSION_CACHE_ENTRIES", entries),
            ("PASSWORDLESS_LOGIN", "on"),
        ];
        let server = Server::start_with(kind, &settings).await;
        add_ann(&server).await;
        let browser = server.browser();
        let mut last = None;
        for _ in 0..ROUNDS {
            let cookie = log_in(&browser).await;
            warm_up(&browser, &cookie).await;
            let user = check(&browser, &cookie).await.json();
            assert_eq!(user["username"], "Ann");
            change_without_revocation(&server, "delete from sessions").await;
            let answer = check(&browser, &cookie).await;
            last = Some(answer.status.as_u16());
            if answer.status == 200 {
                assert_eq!(answer.json(), user);
                break;
            }
            assert_eq!(answer.reason(), "unknown_session");
        }
        assert_eq!(last, Some(expected), "with room for {entries}");
    }
}

async fn no_more_are_kept_than_there_is_room_for(kind: Kind) {
    const ROOM: usize = 10;
    let settings = [
        ("SESSION_CACHE_ENTRIES", "10"),
        ("SESSIONS_PER_USER", "100"),
        ("PASSWORDLESS_LOGIN", "on"),
    ];
    let server = Server::start_with(kind, &settings).await;
    add_ann(&server).await;
    let browser = server.browser();
    let mut kept = 0;
    for _ in 0..ROUNDS {
        let mut cookies = Vec::new();
        for _ in 0..4 * ROOM {
            cookies.push(log_in(&browser).await);
        }
        for _ in 0..3 {
            for cookie in &cookies {
                warm_up(&browser, cookie).await;
            }
        }
        change_without_revocation(&server, "delete from sessions").await;
        for cookie in &cookies {
            kept += usize::from(check(&browser, cookie).await.status == 200);
        }
        if kept > 0 {
            break;
        }
    }
    assert!((1..=ROOM).contains(&kept), "{kept} are kept");
}

async fn sessions_ended_by_this_process_are_revoked_at_once(kind: Kind) {
    let settings = [("SESSIONS_PER_USER", "2"), ("PASSWORDLESS_LOGIN", "on")];
    let server = Server::start_with(kind, &settings).await;
    add_ann(&server).await;
    let browser = server.browser();
    let ann = find_user(server.accounts(), "Ann").await;
    let reason = async |cookie: &str| check(&browser, cookie).await.reason();
    let two = async || {
        let cookies = [log_in(&browser).await, log_in(&browser).await];
        for cookie in &cookies {
            warm_up(&browser, cookie).await;
        }
        cookies
    };

    let [one, other] = two().await;
    ask(&browser, Method::DELETE, "/logout", &one).await;
    assert_eq!(reason(&one).await, "unknown_session");
    assert_eq!(check(&browser, &other).await.status, 200);

    let [one, other] = two().await;
    ask(&browser, Method::DELETE, "/sessions", &other).await;
    assert_eq!(reason(&one).await, "unknown_session");
    assert_eq!(check(&browser, &other).await.status, 200);

    let [one, other] = two().await;
    let listed = ask(&browser, Method::GET, "/sessions", &one).await.json();
    let id = listed["sessions"][0]["id"].as_str().unwrap().to_owned();
    ask(&browser, Method::DELETE, &format!("/sessions/{id}"), &one).await;
    assert_eq!(reason(&other).await, "unknown_session");
    assert_eq!(check(&browser, &one).await.status, 200);

    // One login too many, and one that replaces another.
    let [one, other] = two().await;
    log_in(&browser).await;
    assert_eq!(reason(&one).await, "unknown_session");
    let again = browser
        .request(Method::POST, "/login")
        .header("cookie", &other)
        .json(&json!({"username": "Ann"}));
    assert_eq!(browser.send(again).await.status, 200);
    assert_eq!(reason(&other).await, "unknown_session");

    let [one, other] = two().await;
    server.accounts().sign_out(&ann).await.unwrap();
    assert_eq!(reason(&one).await, "unknown_session");
    assert_eq!(reason(&other).await, "unknown_session");

    let [one, _] = two().await;
    let set_state = async |state| server.accounts().set_state(&ann, state).await.unwrap();
    set_state(AccountState::Disabled).await;
    assert_eq!(reason(&one).await, "user_gone");
    set_state(AccountState::Enabled).await;
    assert_eq!(reason(&one).await, "unknown_session");

    let [one, _] = two().await;
    let password = PASSWORD.to_owned();
    server
        .accounts()
        .set_password(&ann, password)
        .await
        .unwrap();
    assert_eq!(reason(&one).await, "unknown_session");

    let [one, other] = [server.browser(), server.browser()];
    let mut cookies = Vec::new();
    for browser in [&one, &other] {
        assert_eq!(browser.log_in("Ann").await.status, 200);
        let cookie = format!("session={}", browser.session().unwrap());
        warm_up(browser, &cookie).await;
        cookies.push(cookie);
    }
    let change = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    assert_eq!(one.post("/password", change).await.status, 204);
    for cookie in cookies {
        assert_eq!(reason(&cookie).await, "unknown_session");
    }
    assert_eq!(one.check().await.status, 200, "under its new id");
}

/// On SQLite, two `Auth` of one process share changes in memory alone.
async fn sessions_ended_by_a_second_auth_are_revoked_at_once(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    let accounts = Accounts::new(server.auth.db().clone(), server.clock.clock(), 1).unwrap();
    let ann = find_user(&accounts, "Ann").await;

    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    accounts.sign_out(&ann).await.unwrap();
    assert_eq!(check(&browser, &cookie).await.reason(), "unknown_session");

    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    let disabled = AccountState::Disabled;
    accounts.set_state(&ann, disabled).await.unwrap();
    assert_eq!(check(&browser, &cookie).await.reason(), "user_gone");
}

pub async fn sessions_ended_by_a_command_are_revoked_soon(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    let accounts = server.other_process().await;
    let ann = find_user(&accounts, "Ann").await;
    let warm = async || {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        cookie
    };

    let cookie = warm().await;
    accounts.sign_out(&ann).await.unwrap();
    assert_eq!(
        reason_of_the_end(&browser, &cookie).await,
        "unknown_session"
    );

    let cookie = warm().await;
    let disabled = AccountState::Disabled;
    accounts.set_state(&ann, disabled).await.unwrap();
    assert_eq!(reason_of_the_end(&browser, &cookie).await, "user_gone");
    accounts
        .set_state(&ann, AccountState::Enabled)
        .await
        .unwrap();

    let cookie = warm().await;
    accounts
        .set_password(&ann, PASSWORD.to_owned())
        .await
        .unwrap();
    assert_eq!(
        reason_of_the_end(&browser, &cookie).await,
        "unknown_session"
    );
}

pub async fn sessions_ended_by_another_node_are_revoked_soon(kind: Kind) {
    let settings = [("PASSWORDLESS_LOGIN", "on")];
    let server = Server::start_with(kind, &settings).await;
    let other = Server::start_on(Database::at(&server.database.url), &settings).await;
    add_ann(&server).await;
    let (here, there) = (server.browser(), other.browser());
    for round in 0..10 {
        let cookie = log_in(&here).await;
        warm_up(&here, &cookie).await;
        warm_up(&there, &cookie).await;
        let (ends, hears) = match round % 2 {
            0 => (&here, &there),
            _ => (&there, &here),
        };
        ask(ends, Method::DELETE, "/logout", &cookie).await;
        assert_eq!(check(ends, &cookie).await.reason(), "unknown_session");
        assert_eq!(reason_of_the_end(hears, &cookie).await, "unknown_session");
    }
}

pub async fn changes_by_plain_sql_apply_soon(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    let mut ways = vec![
        ("delete from sessions", "unknown_session"),
        ("update sessions set id = 'another'", "unknown_session"),
        (
            "update sessions set created_at = '2020-01-01T00:00:00.000000Z'",
            "expired",
        ),
        (
            "update sessions set last_seen_at = '2020-01-01T00:00:00.000000Z'",
            "expired",
        ),
        (
            "update sessions set expiry_date = '2020-01-01T00:00:00.000000Z'",
            "expired",
        ),
        ("update sessions set user_id = null", "unknown_session"),
        ("update users set disabled_at = created_at", "user_gone"),
        ("delete from users", "user_gone"),
    ];
    if kind != Kind::Sqlite {
        ways.insert(0, ("truncate sessions cascade", "unknown_session"));
    }
    for (sql, reason) in ways {
        let cookie = log_in(&browser).await;
        warm_up(&browser, &cookie).await;
        server.database.execute(sql).await;
        assert_eq!(reason_of_the_end(&browser, &cookie).await, reason, "{sql}");
        let enable = "update users set disabled_at = null";
        server.database.execute(enable).await;
        server.database.execute("delete from sessions").await;
    }

    // The username, too.
    add_ann(&server).await;
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    server
        .database
        .execute("update users set username = 'ANN', email = 'a@example.com'")
        .await;
    let mut tries = 0;
    while check(&browser, &cookie).await.json()["email"] != "a@example.com" {
        tries += 1;
        assert!(tries < 500, "still the old address");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn nobody_is_logged_out_by_a_broken_table(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    add_ann(&server).await;
    let browser = server.browser();
    let cookie = log_in(&browser).await;
    warm_up(&browser, &cookie).await;
    let until = async |status: u16| {
        for _ in 0..500 {
            let now = check(&browser, &cookie).await.status.as_u16();
            assert!([200, 503].contains(&now), "{now}");
            if now == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never {status}");
    };
    server
        .database
        .execute("alter table sessions rename to away")
        .await;
    until(503).await;
    server
        .database
        .execute("alter table away rename to sessions")
        .await;
    until(200).await;
}
