//! What changes while a request is handled: the row of a passkey or of its user, which make it no less right;
//! and the end of the session, after which nothing is done.

use std::time::Duration;

use futures_util::future::join_all;
use handstamp::auth::Application;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::passkey_logins::ann;
use crate::helpers::{
    Answer, Authenticator, AuthenticatorApp, Kind, STEP, Server, TwoSteps, on_both_databases,
};

on_both_databases!(
    many_uses_of_one_passkey_at_once_all_count,
    the_highest_of_several_counts_at_once_logs_in,
    a_password_that_changes_meanwhile_is_nothing_to_a_passkey,
    a_session_that_has_ended_changes_nothing,
    a_login_by_name_alone_ends_with_the_first_passkey,
);

async fn many_uses_of_one_passkey_at_once_all_count(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSIONS_PER_USER", "100")]).await;
    let (browser, mut authenticator) = ann(&server).await;
    let (mut rounds, mut late) = (0, 0);
    while rounds < 5 {
        let mut ready = Vec::new();
        for _ in 0..8 {
            let other = server.browser();
            let options = other.options("/login/passkey/options").await;
            ready.push((other, authenticator.get(&options)));
        }
        let options = browser.options("/reauthenticate/passkey/options").await;
        let proof = json!({"credential": authenticator.get(&options)});
        // As one that was not backed up when it was used last: the next use writes that it is.
        let change = "update passkeys set credential =
                      replace(credential, '\"backup_state\":true', '\"backup_state\":false')";
        server.database.execute(change).await;
        let logins = ready
            .iter()
            .map(|(other, credential)| other.send_passkey(credential.clone()));
        let proof = browser.post("/reauthenticate/passkey", proof);
        let (mut answers, proved) = tokio::join!(join_all(logins), proof);
        answers.push(proved);
        if answers.iter().any(|answer| answer.status == 503) && late < 5 {
            // Some have waited for too long, on a busy machine.
            late += 1;
            browser.patient().log_in("Ann").await;
            continue;
        }
        rounds += 1;
        for answer in answers {
            assert_eq!(answer.status, 200, "{rounds}: {answer:?}");
        }
        let not = "passkeys where credential like '%\"backup_state\":false%'";
        assert_eq!(server.database.count(not).await, 0, "it was written");
    }
    let failures = "audit_events where outcome = 'failure'";
    assert_eq!(server.database.count(failures).await, 0);
}

/// Of an authenticator that counts: a use after one with a higher count looks like that of a copy.
async fn the_highest_of_several_counts_at_once_logs_in(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSIONS_PER_USER", "200")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator {
        is_synced: false,
        counter: 1,
        ..Authenticator::default()
    };
    assert_eq!(browser.add_passkey(&mut authenticator).await.status, 201);
    let mut refused = 0;
    for round in 0..10 {
        let mut ready = Vec::new();
        for _ in 0..6 {
            let other = server.browser();
            let options = other.options("/login/passkey/options").await;
            ready.push((other, authenticator.get(&options)));
        }
        let logins = ready
            .iter()
            .map(|(other, credential)| other.send_passkey(credential.clone()));
        let answers = join_all(logins).await;
        let highest = answers.last().unwrap();
        assert_eq!(highest.status, 200, "{round}: {highest:?}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(answer.code(), "bad_credentials", "{round}: {answer:?}");
            refused += 1;
        }
    }
    for event in ["log_in", "passkey_sign_count_backwards"] {
        let events = format!(
            "audit_events where event = '{event}' and outcome = 'failure' \
             and reason = 'passkey_sign_count_backwards'"
        );
        assert_eq!(server.database.count(&events).await, refused, "{event}");
    }
    let next = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(next.status, 200, "{next:?}");
}

async fn a_password_that_changes_meanwhile_is_nothing_to_a_passkey(kind: Kind) {
    let server = Server::start(kind).await;
    let (_, mut authenticator) = ann(&server).await;
    for round in 0..20 {
        let other = server.browser();
        let options = other.options("/login/passkey/options").await;
        let login = other.send_passkey(authenticator.get(&options));
        let change = async {
            for number in 0..4 {
                let set = format!("update users set password_hash = '{round} {number}'");
                server.database.execute(&set).await;
            }
        };
        let (answer, ()) = tokio::join!(login, change);
        assert_eq!(answer.status, 200, "{round}: {answer:?}");
    }
}

/// Runs a statement while a request, which has read what it changes, waits to write.
async fn while_written(
    server: &Server,
    kind: Kind,
    statement: &'static str,
    request: impl Future<Output = Answer>,
) -> Answer {
    let (answer, ()) = match kind {
        Kind::Sqlite => {
            let mut other = server.database.lock_sqlite().await;
            tokio::join!(request, async {
                // Long enough to be waiting, short enough to be waited for.
                sleep(Duration::from_millis(200)).await;
                sqlx::query(statement).execute(&mut *other).await.unwrap();
                other.commit().await.unwrap();
            })
        }
        Kind::Postgres | Kind::PgBouncer => {
            let mut other = server.database.begin_postgres().await;
            let lock = sqlx::query("update users set id = id");
            lock.execute(&mut *other).await.unwrap();
            tokio::join!(request, async {
                let waits = "pg_stat_activity where datname = current_database()
                     and wait_event_type = 'Lock'";
                for _ in 0..100 {
                    if server.database.count(waits).await > 0 {
                        break;
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                sqlx::query(statement).execute(&mut *other).await.unwrap();
                other.commit().await.unwrap();
            })
        }
    };
    answer
}

/// As another node may have ended it.
async fn a_session_that_has_ended_changes_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut authenticator = Authenticator::default();
    let added = ann.browser.add_passkey(&mut authenticator).await.json();
    let own = format!("/passkeys/{}", added["id"].as_str().unwrap());
    let mut requests = vec![
        (Method::POST, "/passkeys"),
        (Method::PATCH, &*own),
        (Method::DELETE, &*own),
        (Method::POST, "/totp/confirm"),
        (Method::DELETE, "/totp"),
        (Method::POST, "/recovery-codes"),
    ];
    let mut late = 0;
    while let Some((method, path)) = requests.pop() {
        let browser = ann.first_step("Ann").await;
        assert_eq!(browser.send_code(&ann.app.code()).await.status, 200);
        server.clock.advance(STEP);
        let options = browser.options("/passkeys/options").await;
        let begun = browser.post("/totp", Value::Null).await.json();
        let app = AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap());
        let body = json!({
            "credential": Authenticator::default().create(&options),
            "name": "Of a thief",
            "code": app.code(),
        });
        let rows = async || {
            let mut rows = String::new();
            for table in ["passkeys", "totp_secrets", "recovery_codes"] {
                rows += &server.database.rows_as_text(table).await;
            }
            rows
        };
        let before = rows().await;
        let request = browser.request(method.clone(), path).json(&body);
        let request = browser.send(request);
        let answer = while_written(&server, kind, "delete from sessions", request).await;
        assert_eq!(rows().await, before, "{method} {path}");
        if answer.status == 503 && late < 5 {
            // It has waited for too long, on a busy machine.
            late += 1;
            requests.push((method, path));
            continue;
        }
        let of_answer = (answer.code(), answer.reason());
        let expected = ("not_logged_in".to_owned(), "unknown_session".to_owned());
        assert_eq!(of_answer, expected, "{method} {path}");
    }
}

/// Also one that has read the account before that is added.
async fn a_login_by_name_alone_ends_with_the_first_passkey(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    let cyd = Application::new("Cyd");
    server.accounts().add(cyd).await.unwrap();
    let other = server.browser();
    // As the transaction that adds one does.
    let added = "update users set passkey_count = 1";
    let login = other.log_in_by_name("Cyd");
    let answer = while_written(&server, kind, added, login).await;
    assert_eq!(answer.code(), "bad_credentials", "{answer:?}");
    assert_eq!(server.database.count("sessions").await, 0);
}
