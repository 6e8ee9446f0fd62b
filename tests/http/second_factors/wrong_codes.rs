//! Wrong codes of somebody who knows the password: how many there may be, and who hears of them.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    Answer, Authenticator, Browser, Kind, MailServer, PASSWORD, STEP, Server, TwoSteps, find_user,
    on_both_databases, wait,
};

on_both_databases!(
    past_a_hundred_wrong_codes_in_a_row_none_counts,
    a_recovery_code_a_passkey_and_an_operator_end_that,
    a_right_code_ends_the_row,
    the_owner_is_told_of_a_lockout_once_a_day,
    of_many_codes_at_once_few_wait,
    a_right_password_leaves_no_mark_on_its_address,
    right_passwords_without_a_code_lock_nobody_out,
    a_second_factor_takes_its_lockout_along,
);

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No limit but the one that time does not lift.
const UNLIMITED: (&str, &str) = ("LOGIN_FAILURES_PER_ACCOUNT", "1000/15m");

/// Sends so many wrong codes.
async fn send_wrong_codes(ann: &TwoSteps, count: u32) {
    let browser = ann.first_step("Ann").await;
    for number in 0..count {
        let answer = browser.send_code(&ann.app.wrong_code()).await;
        assert_eq!(answer.code(), "bad_code", "{number}");
    }
}

fn is_locked_out(answer: &Answer) {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.code(), "codes_locked_out");
    assert_eq!(answer.header("retry-after"), None, "waiting is of no use");
}

async fn past_a_hundred_wrong_codes_in_a_row_none_counts(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    // Neither time nor a right password ends the row.
    send_wrong_codes(&ann, 50).await;
    server.clock.advance(2 * DAY);
    send_wrong_codes(&ann, 50).await;
    let browser = ann.first_step("Ann").await;
    is_locked_out(&browser.send_code(&ann.app.code()).await);
    is_locked_out(&browser.send_code(&ann.app.wrong_code()).await);
    server.clock.advance(5 * DAY);
    let browser = ann.first_step("Ann").await;
    is_locked_out(&browser.send_code(&ann.app.code()).await);
    assert_eq!(browser.check().await.status, 401);
    assert_eq!(ann.browser.check().await.status, 200, "sessions go on");
    let checked = "audit_events where event = 'log_in' and reason = 'wrong_code'";
    assert_eq!(server.database.count(checked).await, 100);
    let lock_outs = "audit_events where event = 'lock_out' and reason = 'codes_in_a_row'";
    assert_eq!(server.database.count(lock_outs).await, 1);
}

async fn a_recovery_code_a_passkey_and_an_operator_end_that(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut authenticator = Authenticator::default();
    let added = ann.browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201);
    let gets_in = async || {
        server.clock.advance(STEP);
        let browser = ann.first_step("Ann").await;
        let answer = browser.send_code(&ann.app.code()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    send_wrong_codes(&ann, 100).await;
    let browser = ann.first_step("Ann").await;
    is_locked_out(&browser.send_code(&ann.app.code()).await);
    // Those have too many bits to be guessed, and are not counted with the others.
    let wrong = browser.send_recovery_code("0000-0000-0000").await;
    assert_eq!(wrong.code(), "bad_code");
    let answer = browser.send_recovery_code(&ann.recovery_codes[0]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gets_in().await;

    send_wrong_codes(&ann, 100).await;
    let browser = ann.first_step("Ann").await;
    is_locked_out(&browser.send_code(&ann.app.code()).await);
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gets_in().await;

    send_wrong_codes(&ann, 100).await;
    let user = find_user(server.accounts(), "Ann").await;
    assert!(server.accounts().reset_second_factor(&user).await.unwrap());
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
}

async fn a_right_code_ends_the_row(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    for _ in 0..2 {
        send_wrong_codes(&ann, 99).await;
        let browser = ann.first_step("Ann").await;
        assert_eq!(browser.send_code(&ann.app.code()).await.status, 200);
        server.clock.advance(STEP);
    }
}

async fn the_owner_is_told_of_a_lockout_once_a_day(kind: Kind) {
    let mail = MailServer::start();
    let settings = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let told = || {
        let all = mail.received_by("ann@example.com").into_iter();
        all.filter(|mail| mail.subject().contains("wrong codes"))
            .count()
    };
    let settle = async || {
        while server.database.count("outbox").await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    send_wrong_codes(&ann, 2).await;
    settle().await;
    assert_eq!(told(), 0);
    send_wrong_codes(&ann, 1).await;
    let notice = mail.with_subject("ann@example.com", "wrong codes").await;
    assert!(notice.text().contains("your password"), "{notice:?}");
    let browser = ann.first_step("Ann").await;
    let again = wait(&browser.send_code(&ann.app.code()).await);
    server.clock.advance(again);
    send_wrong_codes(&ann, 1).await;
    settle().await;
    assert_eq!(told(), 1);

    server.clock.advance(DAY);
    send_wrong_codes(&ann, 3).await;
    settle().await;
    assert_eq!(told(), 2);
}

async fn of_many_codes_at_once_few_wait(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let attacker = ann.first_step("Ann").await;
    let bens = ben.first_step("Ben").await;
    // Each code takes a while.
    let slow: &[&str] = if kind == Kind::Sqlite {
        &[
            "create table hundred (number integer)",
            "insert into hundred with recursive counted (i) as
                 (select 1 union all select i + 1 from counted where i < 100) select i from counted",
            "create trigger slow before insert on audit_events begin
                 select count(*) from hundred a, hundred b, hundred c; end",
        ]
    } else {
        &[
            "create function slow() returns trigger language plpgsql as
             $$ begin perform pg_sleep(0.05); return new; end $$",
            "create trigger slow before insert on audit_events for each row execute function slow()",
        ]
    };
    for sql in slow {
        server.database.execute(sql).await;
    }
    let wrong = ann.app.wrong_code();
    let guesses = join_all((0..40).map(|_| attacker.send_code(&wrong)));
    let code = ben.app.code();
    let (guesses, answer) = tokio::join!(guesses, bens.send_code(&code));
    assert_eq!(answer.status, 200, "{answer:?}");
    let (checked, refused): (Vec<_>, Vec<_>) =
        guesses.into_iter().partition(|guess| guess.status == 400);
    // On a busy machine some waited for too long.
    for answer in refused.iter().filter(|answer| answer.status != 503) {
        assert!(wait(answer) <= Duration::from_secs(1));
    }
    assert!(
        (1..30).contains(&checked.len()),
        "{} were checked",
        checked.len()
    );
}

/// A request as a proxy forwards it from `address`.
async fn log_in_from(browser: &Browser, address: &str, password: &str) -> Answer {
    let body = json!({"username": "Ann", "password": password});
    let request = browser.request(Method::POST, "/login").json(&body);
    browser
        .send(request.header("x-forwarded-for", address))
        .await
}

async fn a_right_password_leaves_no_mark_on_its_address(kind: Kind) {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "3/10m"),
    ];
    let server = Server::start_with(kind, &settings).await;
    TwoSteps::sign_up(&server, "Ann").await;
    let owner = server.browser();
    let cafe = "198.51.100.1";
    assert_eq!(log_in_from(&owner, cafe, PASSWORD).await.status, 202);
    for _ in 0..3 {
        let attacker = server.browser();
        let answer = log_in_from(&attacker, "203.0.113.9", "a wrong password").await;
        assert_eq!(answer.code(), "bad_credentials");
    }
    // Who has not failed waits half as long as who has.
    wait(&log_in_from(&owner, cafe, PASSWORD).await);
    server.clock.advance(5 * MINUTE);
    let attacker = log_in_from(&server.browser(), "203.0.113.9", PASSWORD).await;
    wait(&attacker);
    assert_eq!(log_in_from(&owner, cafe, PASSWORD).await.status, 202);
}

async fn right_passwords_without_a_code_lock_nobody_out(kind: Kind) {
    let settings = [
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "3/10m"),
    ];
    let server = Server::start_with(kind, &settings).await;
    server.clock.stop();
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let (home, elsewhere) = ("198.51.100.1", "192.0.2.7");
    // A whole login makes the address known, which has a count of its own from then on.
    let browser = server.browser();
    assert_eq!(log_in_from(&browser, home, PASSWORD).await.status, 202);
    let code = json!({"code": ann.app.code()});
    let request = browser.request(Method::POST, "/login/totp").json(&code);
    let request = request.header("x-forwarded-for", home);
    assert_eq!(browser.send(request).await.status, 200);
    for from in [home, elsewhere] {
        for number in 0..4 {
            let answer = log_in_from(&server.browser(), from, PASSWORD).await;
            assert_eq!(answer.status, 202, "{number} from {from}");
        }
    }
    // Nor do two of them at once mark an address.
    let (one, other) = (server.browser(), server.browser());
    let cafe = "203.0.113.9";
    let (one, other) = tokio::join!(
        log_in_from(&one, cafe, PASSWORD),
        log_in_from(&other, cafe, PASSWORD),
    );
    assert_eq!(one.status, 202);
    assert_eq!(other.status, 202);
    let raised = "throttles where count > 0 and key like 'log-in of %'";
    assert_eq!(server.database.count(raised).await, 0);
    let marks = "throttles where key like 'log-in of % failed at %'";
    assert_eq!(server.database.count(marks).await, 0);

    // Wrong ones from elsewhere lock it, and a right one from home does not unlock it.
    let attacker = "203.0.113.66";
    for _ in 0..3 {
        let answer = log_in_from(&server.browser(), attacker, "a wrong password").await;
        assert_eq!(answer.code(), "bad_credentials");
    }
    assert_eq!(server.database.count(marks).await, 1);
    let answer = log_in_from(&server.browser(), home, PASSWORD).await;
    assert_eq!(answer.status, 202);
    wait(&log_in_from(&server.browser(), elsewhere, PASSWORD).await);
}

async fn a_second_factor_takes_its_lockout_along(kind: Kind) {
    let settings = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let server = Server::start_with(kind, &settings).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    send_wrong_codes(&ann, 3).await;
    let browser = ann.first_step("Ann").await;
    wait(&browser.send_code(&ann.app.code()).await);
    let user = find_user(server.accounts(), "Ann").await;
    assert!(server.accounts().reset_second_factor(&user).await.unwrap());
    let browser = server.browser();
    assert_eq!(browser.log_in("Ann").await.status, 200);
    let ann = TwoSteps::turn_on(&server, browser).await;
    let browser = ann.first_step("Ann").await;
    let answer = browser.send_code(&ann.app.code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // An account that is deleted leaves no count.
    send_wrong_codes(&ann, 1).await;
    server.accounts().delete(&user).await.unwrap();
    let counts = "throttles where key like 'second factor of %'";
    assert_eq!(server.database.count(counts).await, 0);
}
