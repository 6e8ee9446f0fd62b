//! Audit events.

use handstamp::auth::{AccountState, AuditEvent};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{
    Browser, Kind, PASSWORD, Server, Workplace, find_user, on_both_databases, succeeded,
};

on_both_databases!(
    every_security_event_is_recorded,
    operator_actions_are_recorded,
    failures_say_why_to_the_operator_alone,
    unknown_names_are_not_recorded,
    events_name_address_and_request,
    the_end_of_one_session_names_it,
    the_command_shows_them,
);

const NEW: &str = "black coffee by noon";

async fn events(server: &Server) -> Vec<AuditEvent> {
    let long_ago = handstamp::clock::Timestamp::from(time::OffsetDateTime::UNIX_EPOCH);
    let accounts = server.accounts();
    let all = accounts
        .audit_events(None, long_ago, Uuid::nil(), 1000)
        .await;
    all.unwrap()
}

/// `event outcome reason` of each.
async fn told(server: &Server) -> Vec<String> {
    let told = |event: AuditEvent| {
        let words = [Some(event.event), Some(event.outcome), event.reason];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    events(server).await.into_iter().map(told).collect()
}

async fn every_security_event_is_recorded(kind: Kind) {
    let old_key = "the key of the year before that is long enough";
    let server = Server::start_with(kind, &[("SECRET_KEY", old_key)]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    browser.log_out().await;
    browser.log_out().await;
    browser.log_in("Ann").await;
    let other = server.browser();
    other.log_in("Ann").await;
    browser.delete("/sessions").await;
    let body = json!({"current_password": "a wrong password", "new_password": NEW});
    browser.post("/password", body).await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(browser.post("/password", body).await.status, 204);
    let session = format!("session={}", browser.session().unwrap());

    let fallback = [
        ("SECRET_KEY_FALLBACKS", old_key),
        ("LOGIN_FAILURES_PER_ACCOUNT", "2/15m"),
    ];
    let server = server.restart_with(&fallback).await;
    let browser = server.browser();
    for _ in 0..3 {
        // A client that does not accept the new cookie is recorded once.
        assert_eq!(browser.check_with(&session).await.status, 200);
    }
    for _ in 0..4 {
        browser.log_in_with("Ann", "a wrong password").await;
    }
    assert_eq!(
        told(&server).await,
        [
            "sign_up success",
            "log_out success",
            "log_in success",
            "log_in success",
            "end_sessions success",
            "change_password failure wrong_password",
            "change_password success",
            "resign_cookie success",
            "log_in failure wrong_password",
            "log_in failure wrong_password",
            "lock_out failure account_limit",
        ]
    );
    let own = server
        .database
        .count("audit_events where user_id is not null")
        .await;
    assert_eq!(own, 11);
}

async fn operator_actions_are_recorded(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    let accounts = server.other_process().await;
    let ann = find_user(&accounts, "ann").await;
    accounts.sign_out(&ann).await.unwrap();
    accounts
        .set_state(&ann, AccountState::Disabled)
        .await
        .unwrap();
    accounts
        .set_state(&ann, AccountState::Enabled)
        .await
        .unwrap();
    accounts.set_password(&ann, NEW.to_owned()).await.unwrap();
    assert_eq!(
        told(&server).await,
        [
            "sign_up success",
            "end_sessions success",
            "disable_account success",
            "enable_account success",
            "change_password success",
        ]
    );
    let by_operator = events(&server).await.into_iter().skip(1);
    assert!(by_operator.into_iter().all(|event| event.ip.is_none()));
}

async fn failures_say_why_to_the_operator_alone(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let ben = find_user(server.accounts(), "Ben").await;
    server
        .accounts()
        .set_state(&ben, AccountState::Disabled)
        .await
        .unwrap();
    server
        .database
        .execute("update users set password_hash = null where username = 'Ann'")
        .await;
    let mut answers = Vec::new();
    for (name, password) in [("Ann", "x"), ("Ben", PASSWORD), ("Cyd", "x")] {
        answers.push(browser.log_in_with(name, password).await.text);
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
    let told = told(&server).await;
    assert_eq!(
        told[3..],
        [
            "log_in failure no_password",
            "log_in failure disabled",
            "log_in failure unknown_user"
        ]
    );
}

async fn unknown_names_are_not_recorded(kind: Kind) {
    let server = Server::start(kind).await;
    let typed = "my secret passphrase";
    server.browser().log_in_with(typed, "x").await;
    let event = events(&server).await.remove(0);
    assert_eq!((event.username, event.user_id), (None, None));
    let throttles = server
        .database
        .count(&format!("throttles where key like '%{typed}%'"))
        .await;
    assert_eq!(throttles, 0);
}

async fn events_name_address_and_request(kind: Kind) {
    let server = Server::start_with(kind, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let body = json!({"username": "Ann", "password": PASSWORD});
    let request = browser.request(Method::POST, "/login").json(&body);
    let answer = browser
        .send(request.header("x-forwarded-for", "203.0.113.7"))
        .await;
    let event = events(&server).await.remove(1);
    assert_eq!(event.ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(event.request_id.as_deref(), answer.header("x-request-id"));
    assert_eq!(event.username.as_deref(), Some("Ann"));
}

async fn the_end_of_one_session_names_it(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSIONS_PER_USER", "2")]).await;
    let (browser, other) = (server.browser(), server.browser());
    let current = async |browser: &Browser| {
        let listed = browser.get("/sessions").await.json();
        let sessions = listed["sessions"].as_array().unwrap();
        let current = sessions.iter().find(|own| own["current"] == true);
        current.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let mut expected = Vec::new();
    let mut expect = |event: &str, session: Option<&String>| {
        expected.push((event.to_owned(), session.cloned()));
    };
    browser.sign_up("Ann").await;
    expect("sign_up", None);
    let first = current(&browser).await;
    // In the same browser.
    browser.log_in("Ann").await;
    expect("log_in", Some(&first));
    let second = current(&browser).await;
    other.log_in("Ann").await;
    expect("log_in", None);
    other.delete(&format!("/sessions/{second}")).await;
    expect("end_sessions", Some(&second));
    let third = current(&other).await;
    browser.log_in("Ann").await;
    expect("log_in", None);
    // One too many.
    server.browser().log_in("Ann").await;
    expect("log_in", None);
    expect("end_sessions", Some(&third));
    let fourth = current(&browser).await;
    browser.delete("/sessions").await;
    expect("end_sessions", None);
    browser.log_out().await;
    expect("log_out", Some(&fourth));
    let told = events(&server).await.into_iter();
    let told = told.map(|event| (event.event, event.session_id.map(|id| id.to_string())));
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let workplace = Workplace::new(&[("DATABASE_URL", &server.database.url)]);
    let shown = succeeded(&workplace.run(&["audit", "--json"]));
    assert!(
        shown.contains(&format!(r#""session_id":"{fourth}""#)),
        "{shown}"
    );
}

async fn the_command_shows_them(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    browser.log_in_with("Ann", "a wrong password").await;
    browser.log_in_with("nobody", "x\nforged line").await;
    let workplace = Workplace::new(&[("DATABASE_URL", &server.database.url)]);
    let lines = |arguments: &[&str]| {
        let output = workplace.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let all = lines(&["audit"]);
    assert_eq!(all.len(), 4);
    assert!(
        all[2].contains("log_in") && all[2].contains("wrong_password"),
        "{all:?}"
    );
    assert_eq!(lines(&["audit", "--user", "ANN", "--since", "1h"]).len(), 2);
    assert_eq!(lines(&["audit", "--since", "0s"]).len(), 0);
    for line in lines(&["audit", "--json"]) {
        let event: Value = serde_json::from_str(&line).unwrap();
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{line}");
        assert_eq!(event["ip"], "127.0.0.1");
    }
    assert_eq!(
        workplace.run(&["audit", "--user", "nobody"]).status.code(),
        Some(1)
    );
    assert_eq!(
        workplace.run(&["audit", "--since", "soon"]).status.code(),
        Some(2)
    );
}
