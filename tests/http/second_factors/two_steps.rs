//! A login in two steps, and what there is between them: nobody is logged in.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use handstamp::auth::{AccountState, Application};
use reqwest::Method;
use serde_json::json;

use super::between_the_steps::{guarded, send};
use crate::helpers::{
    Answer, Browser, DEVICE_BOUND, Kind, PASSWORD, STEP, Server, TwoSteps, find_user, guess,
    on_both_databases, wait,
};

on_both_databases!(
    between_the_steps_nobody_is_logged_in,
    the_first_step_replaces_the_session_that_came_along,
    a_half_done_login_ends,
    without_a_first_step_there_is_no_second,
    of_many_that_use_one_code_one_logs_in,
    of_many_that_use_one_recovery_code_one_logs_in,
    past_the_limit_even_the_right_code_waits,
    codes_have_a_limit_also_where_passwords_have_none,
    nobody_without_the_password_can_lock_an_owner_out,
    an_account_without_a_password_takes_both_steps,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn between_the_steps_nobody_is_logged_in(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = server.browser();
    let answer = browser.log_in_with("Ann", PASSWORD).await;
    assert_eq!(answer.status, 202);
    let first = answer.set_session().unwrap();
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    assert_eq!(browser.check().await.reason(), "unknown_session");
    let info = browser.session_info().await;
    assert_eq!(
        (&info["user"], &info["session"], &info["reason"]),
        (&json!(null), &json!(null), &json!("unknown_session"))
    );
    for (method, path) in guarded(&browser).await {
        let answer = send(&browser, &method, &path).await;
        assert_eq!(answer.reason(), "unknown_session", "{method} {path}");
    }
    let posts = browser.get("/posts").await.json();
    assert_eq!(posts["logged_in"], false);
    let sessions = ann.browser.get("/sessions").await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1);

    let answer = browser.send_code(&ann.app.code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let second = answer.set_session().unwrap();
    assert_ne!(first, second);
    let stale = format!("session={first}");
    assert_eq!(browser.check_with(&stale).await.reason(), "unknown_session");
    assert_eq!(browser.check().await.json()["username"], "Ann");
    assert_eq!(server.database.count("half_logins").await, 0);
}

async fn the_first_step_replaces_the_session_that_came_along(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let before = format!("session={}", ann.browser.session().unwrap());
    assert_eq!(ann.browser.log_in_with("Ann", PASSWORD).await.status, 202);
    assert_eq!(ann.browser.check().await.reason(), "unknown_session");
    let copy = ann.browser.check_with(&before).await;
    assert_eq!(copy.reason(), "unknown_session");
    // A wrong password replaces nothing.
    assert_eq!(ann.browser.send_code(&ann.app.code()).await.status, 200);
    assert_eq!(guess(&ann.browser, "Ann").await.status, 400);
    assert_eq!(ann.browser.check().await.status, 200);
}

async fn a_half_done_login_ends(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let is_over = async |browser: &Browser, what: &str| {
        server.clock.advance(STEP);
        let answer = browser.send_code(&ann.app.code()).await;
        assert_eq!(answer.reason(), "unknown_session", "{what}");
        let code = &ann.recovery_codes[0];
        let answer = browser.send_recovery_code(code).await;
        assert_eq!(answer.reason(), "unknown_session", "{what}");
    };

    let out = ann.first_step("Ann").await;
    let cookie = out.session().unwrap();
    assert_eq!(out.log_out().await.status, 200);
    let copy = out.without_cookies();
    let request = copy.request(Method::POST, "/login/totp");
    let request = request.header("cookie", format!("session={cookie}"));
    let answer = copy
        .send(request.json(&json!({"code": ann.app.code()})))
        .await;
    assert_eq!(answer.reason(), "unknown_session", "logged out");

    let complete = ann.first_step("Ann").await;
    assert_eq!(complete.send_code(&ann.app.code()).await.status, 200);
    is_over(&complete, "after its use").await;

    let other = ann.first_step("Ann").await;
    let new = "black coffee by noon";
    let body = json!({"current_password": PASSWORD, "new_password": new});
    assert_eq!(complete.post("/password", body).await.status, 204);
    is_over(&other, "after a changed password").await;

    for password in ["plain tea at dusk", PASSWORD] {
        let other = server.browser();
        let current = if password == PASSWORD {
            "plain tea at dusk"
        } else {
            new
        };
        assert_eq!(other.log_in_with("Ann", current).await.status, 202);
        let accounts = server.other_process().await;
        let user = find_user(&accounts, "Ann").await;
        accounts
            .set_password(&user, password.to_owned())
            .await
            .unwrap();
        is_over(&other, "after a password that an operator has set").await;
    }

    let other = ann.first_step("Ann").await;
    let accounts = server.other_process().await;
    let user = find_user(&accounts, "Ann").await;
    accounts
        .set_state(&user, AccountState::Disabled)
        .await
        .unwrap();
    is_over(&other, "while the account is disabled").await;
    accounts
        .set_state(&user, AccountState::Enabled)
        .await
        .unwrap();
    is_over(&other, "after that").await;

    let other = ann.first_step("Ann").await;
    assert!(accounts.reset_second_factor(&user).await.unwrap());
    is_over(&other, "after a reset").await;
    assert!(!accounts.reset_second_factor(&user).await.unwrap());
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
}

async fn without_a_first_step_there_is_no_second(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let visitor = server.browser();
    assert_eq!(
        visitor.send_code(&ann.app.code()).await.reason(),
        "no_cookie"
    );
    let logged_in = ann.browser.send_code(&ann.app.code()).await;
    assert_eq!(logged_in.reason(), "unknown_session");
    // The cookie of one first step, and the code of somebody else.
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let browser = ann.first_step("Ann").await;
    assert_eq!(browser.send_code(&ben.app.code()).await.code(), "bad_code");
    let empty = browser.post("/login/totp", json!({})).await;
    assert_eq!(empty.json()["errors"], json!({"code": ["is required"]}));
    assert_eq!(browser.send_code(&ann.app.code()).await.status, 200);
}

async fn of_many_that_use_one_code_one_logs_in(kind: Kind) {
    one_of_fifty(kind, |ann, browser| {
        let code = ann.app.code();
        Box::pin(async move { browser.send_code(&code).await })
    })
    .await;
}

async fn of_many_that_use_one_recovery_code_one_logs_in(kind: Kind) {
    one_of_fifty(kind, |ann, browser| {
        Box::pin(browser.send_recovery_code(&ann.recovery_codes[3]))
    })
    .await;
}

/// Five browsers, as many as can be between the steps, send the same ten times each, all at once.
async fn one_of_fifty(
    kind: Kind,
    send: for<'a> fn(&'a TwoSteps, &'a Browser) -> BoxFuture<'a, Answer>,
) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "100/15m")]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut browsers = Vec::new();
    for _ in 0..5 {
        browsers.push(ann.first_step("Ann").await);
    }
    if kind == Kind::Postgres {
        // Together they take longer than a request waits for the database.
        for sql in [
            "create function slow() returns trigger language plpgsql as
             $$ begin perform pg_sleep(0.05); return new; end $$",
            "create trigger slow before insert on audit_events for each row execute function slow()",
        ] {
            server.database.execute(sql).await;
        }
    }
    let uses = browsers.iter().flat_map(|browser| [browser; 10]);
    let answers = join_all(uses.map(|browser| send(&ann, browser))).await;
    let mut logged_in = 0;
    for answer in &answers {
        match answer.status.as_u16() {
            200 => logged_in += 1,
            400 => assert_eq!(answer.code(), "bad_code"),
            // Its login is complete.
            401 => assert_eq!(answer.reason(), "unknown_session"),
            // As many wait already as may.
            429 => assert_eq!(answer.code(), "too_many_attempts"),
            // Or those before it took too long, on a busy machine.
            _ => assert_eq!(answer.status, 503, "{answer:?}"),
        }
    }
    assert!(logged_in <= 1, "{logged_in}");
    for (browser, answers) in browsers.iter().zip(answers.chunks(10)) {
        let is_in = browser.patient().check().await.status == 200;
        assert_eq!(answers.iter().any(|answer| answer.status == 200), is_in);
    }
    if logged_in == 0 {
        // What took too long was not done, or was done all the same: then nobody else logs in.
        assert!(answers.iter().any(|answer| answer.status == 503));
        for browser in &browsers {
            let again = send(&ann, &browser.patient()).await.status.as_u16();
            assert!([200, 400, 401].contains(&again), "{again}");
        }
    }
    let users = "sessions where user_id is not null";
    assert_eq!(server.database.count(users).await, 2);
}

async fn past_the_limit_even_the_right_code_waits(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    for _ in 0..2 {
        let wrong = browser.send_code(&ann.app.wrong_code()).await;
        assert_eq!(wrong.code(), "bad_code");
    }
    // A right password does not clear the count, and recovery codes are counted with the others.
    let browser = ann.first_step("Ann").await;
    let wrong = browser.send_recovery_code("0000-0000-0000-0000").await;
    assert_eq!(wrong.code(), "bad_code");
    let locked_out = wait(&browser.send_code(&ann.app.code()).await);
    assert_eq!(locked_out, 15 * MINUTE, "nobody comes before another");
    wait(&browser.send_recovery_code(&ann.recovery_codes[0]).await);
    let elsewhere = ann.first_step("Ann").await;
    wait(&elsewhere.send_code(&ann.app.code()).await);
    assert_eq!(ann.browser.check().await.status, 200, "it logs nobody out");

    server.clock.advance(locked_out);
    let browser = ann.first_step("Ann").await;
    assert_eq!(browser.send_code(&ann.app.code()).await.status, 200);
    let browser = ann.first_step("Ann").await;
    for _ in 0..3 {
        let wrong = browser.send_code(&ann.app.wrong_code()).await;
        assert_eq!(
            wrong.code(),
            "bad_code",
            "a right code has cleared the count"
        );
    }
}

async fn codes_have_a_limit_also_where_passwords_have_none(kind: Kind) {
    let settings = [("LOGIN_FAILURES_PER_ACCOUNT", "unlimited")];
    let server = Server::start_with(kind, &settings).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    for _ in 0..10 {
        let wrong = browser.send_code(&ann.app.wrong_code()).await;
        assert_eq!(wrong.code(), "bad_code");
    }
    wait(&browser.send_code(&ann.app.code()).await);
}

async fn nobody_without_the_password_can_lock_an_owner_out(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let half_done = ann.first_step("Ann").await;
    let attacker = server.browser();
    for _ in 0..5 {
        attacker.send_code("000000").await;
        guess(&attacker, "Ann").await;
    }
    // Nor can who has stolen a session, by confirming wrong codes.
    ann.browser.post("/totp", json!({})).await;
    for _ in 0..5 {
        let confirm = json!({"code": "000000"});
        let answer = ann.browser.post("/totp/confirm", confirm).await;
        assert_eq!(answer.status, 400);
    }
    assert_eq!(half_done.send_code(&ann.app.code()).await.status, 200);
}

async fn an_account_without_a_password_takes_both_steps(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    server.clock.stop();
    let cyd = Application::new("Cyd");
    server.accounts().add(cyd).await.unwrap();
    let browser = server.browser();
    browser.log_in_by_name("Cyd").await;
    let cyd = TwoSteps::turn_on(&server, browser).await;
    let browser = server.browser();
    assert_eq!(browser.log_in_by_name("Cyd").await.status, 202);
    assert_eq!(browser.check().await.reason(), "unknown_session");
    assert_eq!(browser.send_code(&cyd.app.code()).await.status, 200);
}
