//! The end of a session arrives with its reason, whoever has ended it.

use handstamp::auth::{AccountState, generate_secret_key};
use reqwest::Method;
use serde_json::json;

use crate::{
    helpers::{
        Browser, Database, EventStream, Kind, PASSWORD, Server, Workplace, find_user,
        on_both_databases, succeeded,
    },
    sessions::freshness::ask,
};

on_both_databases!(
    every_end_by_this_process_arrives_with_its_reason,
    every_end_by_another_node_arrives_with_its_reason,
    every_end_by_a_command_arrives_with_its_reason,
    ends_arrive_also_where_nothing_is_cached,
    an_end_by_plain_sql_arrives,
    an_own_change_of_the_password_is_no_reason_for_a_later_end,
);

const SETTINGS: [(&str, &str); 1] = [("SESSIONS_PER_USER", "3")];

/// A new session of Ann's, as a `Cookie` header.
pub async fn log_in(browser: &Browser, password: &str) -> String {
    let request = browser.request(Method::POST, "/login");
    let request = request.header("cookie", "none=1");
    let body = json!({"username": "Ann", "password": password});
    let answer = browser.send(request.json(&body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    format!("session={}", answer.set_session().unwrap())
}

/// A new session of Ann's with an open stream.
async fn follow(browser: &Browser) -> (String, EventStream) {
    let cookie = log_in(browser, PASSWORD).await;
    let stream = EventStream::open_with(browser, &cookie).await;
    (cookie, stream)
}

/// Ends sessions in every way on `acting`, whose streams are open on `server`.
async fn each_end_arrives(server: &Server, acting: &Server) {
    server.browser().sign_up("Ann").await;
    let (here, there) = (server.browser(), acting.browser());
    let ann = find_user(acting.accounts(), "Ann").await;

    let (cookie, stream) = follow(&here).await;
    ask(&there, Method::DELETE, "/logout", &cookie).await;
    assert_eq!(stream.reason().await, "logged_out");
    let again = ask(&here, Method::GET, "/session/events", &cookie).await;
    assert_eq!(again.status, 204, "{again:?}");

    // A login in the same browser.
    let (cookie, stream) = follow(&here).await;
    let login = there.request(Method::POST, "/login");
    let body = json!({"username": "Ann", "password": PASSWORD});
    let login = login.header("cookie", &cookie).json(&body);
    assert_eq!(there.send(login).await.status, 200);
    assert_eq!(stream.reason().await, "logged_out");

    let (_, stream) = follow(&here).await;
    let (other, kept) = follow(&here).await;
    ask(&there, Method::DELETE, "/sessions", &other).await;
    assert_eq!(stream.reason().await, "revoked");

    let (cookie, stream) = follow(&here).await;
    let listed = ask(&there, Method::GET, "/sessions", &cookie).await.json();
    let id = listed["sessions"][0]["id"].as_str().unwrap().to_owned();
    ask(&there, Method::DELETE, &format!("/sessions/{id}"), &other).await;
    assert_eq!(stream.reason().await, "revoked");

    // One login too many.
    log_in(&there, PASSWORD).await;
    log_in(&there, PASSWORD).await;
    log_in(&there, PASSWORD).await;
    assert_eq!(kept.reason().await, "revoked");

    let (_, stream) = follow(&here).await;
    acting.accounts().sign_out(&ann).await.unwrap();
    assert_eq!(stream.reason().await, "revoked");

    let (_, stream) = follow(&here).await;
    acting.accounts().sign_out_all().await.unwrap();
    assert_eq!(stream.reason().await, "revoked");

    let (_, stream) = follow(&here).await;
    let (other, _) = follow(&here).await;
    let new = "black coffee by noon";
    let change = there.request(Method::POST, "/password");
    let body = json!({"current_password": PASSWORD, "new_password": new});
    let change = change.header("cookie", &other).json(&body);
    assert_eq!(there.send(change).await.status, 204);
    assert_eq!(stream.reason().await, "password_changed");

    let cookie = log_in(&here, new).await;
    let stream = EventStream::open_with(&here, &cookie).await;
    let password = PASSWORD.to_owned();
    let changed = acting.accounts().set_password(&ann, password);
    changed.await.unwrap();
    assert_eq!(stream.reason().await, "password_changed");

    let (cookie, stream) = follow(&here).await;
    let set_state = async |state| acting.accounts().set_state(&ann, state).await.unwrap();
    set_state(AccountState::Disabled).await;
    assert_eq!(stream.reason().await, "disabled");
    let again = ask(&here, Method::GET, "/session/events", &cookie).await;
    assert_eq!(again.status, 204, "{again:?}");
    set_state(AccountState::Enabled).await;

    let (cookie, stream) = follow(&here).await;
    acting.accounts().delete(&ann).await.unwrap();
    assert_eq!(stream.reason().await, "deleted");
    let again = ask(&here, Method::GET, "/session/events", &cookie).await;
    assert_eq!(again.status, 204, "{again:?}");
}

async fn every_end_by_this_process_arrives_with_its_reason(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    each_end_arrives(&server, &server).await;
}

async fn every_end_by_another_node_arrives_with_its_reason(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    let other = Server::start_on(Database::at(&server.database.url), &SETTINGS).await;
    each_end_arrives(&server, &other).await;
}

async fn every_end_by_a_command_arrives_with_its_reason(kind: Kind) {
    let database = Database::new(kind).await;
    let key = generate_secret_key();
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    for (command, reason) in [
        (&["user", "sign-out", "Ann"][..], "revoked"),
        (&["user", "sign-out", "--all"], "revoked"),
        (
            &["user", "password", "Ann", "--password-stdin"],
            "password_changed",
        ),
        (&["user", "disable", "Ann"], "disabled"),
        (&["user", "enable", "Ann"], ""),
        (&["user", "delete", "Ann"], "deleted"),
    ] {
        if reason.is_empty() {
            succeeded(&workplace.run(command));
            continue;
        }
        let (_, stream) = follow(&browser).await;
        succeeded(&workplace.run_with_input(command, PASSWORD));
        assert_eq!(stream.reason().await, reason, "{command:?}");
    }
}

async fn ends_arrive_also_where_nothing_is_cached(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSION_CACHE_ENTRIES", "0")]).await;
    let accounts = server.other_process().await;
    server.browser().sign_up("Ann").await;
    let ann = find_user(&accounts, "Ann").await;
    let (_, stream) = follow(&server.browser()).await;
    accounts.sign_out(&ann).await.unwrap();
    assert_eq!(stream.reason().await, "revoked");
}

/// Nobody has recorded why.
async fn an_end_by_plain_sql_arrives(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for (sql, reason) in [
        ("delete from sessions", "revoked"),
        ("update sessions set user_id = null", "revoked"),
        (
            "update sessions set expiry_date = '2020-01-01T00:00:00.000000Z'",
            "expired",
        ),
        ("update users set disabled_at = created_at", "disabled"),
        ("delete from users", "deleted"),
    ] {
        let (_, stream) = follow(&browser).await;
        server.database.execute(sql).await;
        assert_eq!(stream.reason().await, reason, "{sql}");
        let enable = "update users set disabled_at = null";
        server.database.execute(enable).await;
    }
}

async fn an_own_change_of_the_password_is_no_reason_for_a_later_end(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let change = async |from: &str, to: &str| {
        let body = json!({"current_password": from, "new_password": to});
        assert_eq!(browser.post("/password", body).await.status, 204);
    };
    let new = "black coffee by noon";

    let stream = EventStream::open(&browser).await;
    change(PASSWORD, new).await;
    server.accounts().sign_out_all().await.unwrap();
    assert_eq!(stream.reason().await, "revoked", "every session was ended");

    assert_eq!(browser.log_in_with("Ann", new).await.status, 200);
    let stream = EventStream::open(&browser).await;
    change(new, PASSWORD).await;
    server.database.execute("delete from sessions").await;
    assert_eq!(stream.reason().await, "revoked", "nobody has recorded why");

    assert_eq!(browser.log_in("Ann").await.status, 200);
    let stream = EventStream::open(&browser).await;
    change(PASSWORD, new).await;
    browser.log_out().await;
    assert_eq!(stream.reason().await, "logged_out");
}
