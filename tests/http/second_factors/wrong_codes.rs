//! Wrong codes of somebody who knows the password: how many there may be, and who hears of them.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    Answer, Authenticator, Browser, Kind, MailServer, PASSWORD, STEP, Server, TwoSteps, find_user,
    on_both_databases, wait,
};

on_both_databases!(
    past_a_hundred_wrong_codes_in_a_row_none_counts,
    a_recovery_code_a_passkey_and_an_operator_end_that,
    a_right_code_begins_the_count_again,
    the_owner_is_told_of_a_lockout_once_a_day,
    at_most_four_codes_of_a_user_wait,
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
    // Neither time nor a right password begins the count again.
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

async fn a_right_code_begins_the_count_again(kind: Kind) {
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

/// While the first cannot be checked, as the database is locked.
async fn at_most_four_codes_of_a_user_wait(kind: Kind) {
    const SENT: usize = 40;
    const PLACES: usize = 4;
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let attacker = ann.first_step("Ann").await;
    let bens = ben.first_step("Ben").await;
    let (sqlite, postgres) = if kind == Kind::Sqlite {
        (Some(server.database.lock_sqlite().await), None)
    } else {
        let mut lock = server.database.begin_postgres().await;
        let anns = sqlx::query("update users set id = id where username = 'Ann'");
        anns.execute(&mut *lock).await.unwrap();
        (None, Some(lock))
    };
    let wrong = ann.app.wrong_code();
    let start = Instant::now();
    let mut guesses: FuturesUnordered<_> = (0..SENT).map(|_| attacker.send_code(&wrong)).collect();
    let mut late = 0;
    for _ in PLACES..SENT {
        let answer = guesses.next().await.unwrap();
        if answer.status == 503 {
            late += 1;
        } else {
            assert!(wait(&answer) <= Duration::from_secs(1));
        }
    }
    // Each of those has had one of the places for a second.
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!(late <= PLACES * seconds, "{late} in {seconds} s");

    if let Some(lock) = postgres {
        let answer = bens.send_code(&ben.app.code()).await;
        assert_eq!(answer.status, 200, "others need not wait: {answer:?}");
        lock.rollback().await.unwrap();
    }
    if let Some(lock) = sqlite {
        lock.rollback().await.unwrap();
    }
    while let Some(answer) = guesses.next().await {
        assert!(
            matches!(answer.status.as_u16(), 400 | 429 | 503),
            "{answer:?}"
        );
    }
    let checked = "audit_events where event = 'log_in' and reason = 'wrong_code'";
    let checked = server.database.count(checked).await;
    assert!(checked <= 4, "{checked} were checked");
    let answer = attacker.send_code(&ann.app.code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
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
