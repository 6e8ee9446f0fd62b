//! Guessing gets slow, and the account's owner does not pay for it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::helpers::{
    Kind, LONG_ENOUGH, PASSWORD, Server, TOO_SOON, guess, on_both_databases, sign_up_number, wait,
};

on_both_databases!(
    failures_of_an_account_are_bounded,
    lockouts_grow_and_end,
    parallel_guesses_are_counted_one_by_one,
    right_passwords_in_parallel_are_not_failures,
    a_success_clears_the_account,
    unknown_names_are_counted_alike,
    counts_survive_restarts_and_span_nodes,
    a_stolen_session_cannot_guess_the_password,
    trying_a_weak_new_password_is_no_guess,
    the_current_password_comes_before_the_new_one,
    a_clock_set_back_prolongs_no_lockout,
    long_names_are_counted_too,
    disconnecting_changes_nothing,
    a_new_password_clears_the_count,
    limits_can_be_turned_off,
    what_is_counted_is_forgotten_in_the_end,
);

async fn failures_of_an_account_are_bounded(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..10 {
        assert_eq!(guess(&browser, "Ann").await.code(), "bad_credentials");
    }
    let right = browser.log_in("ANN").await;
    assert!((Duration::from_secs(890)..=Duration::from_secs(900)).contains(&wait(&right)));
    server.browser().sign_up("Ben").await;
    assert_eq!(browser.log_in("Ben").await.status, 200, "another account");
}

async fn lockouts_grow_and_end(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "2/10m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    guess(&browser, "Ann").await;
    guess(&browser, "Ann").await;
    for minutes in [10, 20, 40, 40] {
        let wait = wait(&guess(&browser, "Ann").await);
        assert_eq!(wait.as_secs().div_ceil(60), minutes);
        server.clock.advance(wait);
        assert_eq!(guess(&browser, "Ann").await.status, 400, "one more");
    }
    server.clock.advance(wait(&guess(&browser, "Ann").await));
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn parallel_guesses_are_counted_one_by_one(kind: Kind) {
    let settings = [
        ("PASSWORD_HASHES_AT_ONCE", "4"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ];
    let server = Server::start_with(kind, &settings).await;
    let owner = server.browser();
    owner.sign_up("Ann").await;
    let guesser = server.browser();
    let guesses = tokio::spawn({
        let guesser = guesser.clone();
        async move { join_all((0..500).map(|_| guess(&guesser, "Ann"))).await }
    });
    while !guesses.is_finished() {
        assert_eq!(
            owner.patient().check().await.status,
            200,
            "the owner's session goes on"
        );
    }
    let guesses = guesses.await.unwrap();
    let of_status = |status: u16| {
        guesses
            .iter()
            .filter(|guess| guess.status == status)
            .count()
    };
    let looked_at = of_status(400);
    assert_eq!(looked_at + of_status(429) + of_status(503), 500);
    assert!(
        (1..=10).contains(&looked_at),
        "{looked_at} reached a password hash"
    );
    // On a busy machine some were not hashed in time, and others may be.
    for _ in looked_at..10 {
        guess(&guesser.patient(), "Ann").await;
    }
    wait(&guess(&guesser, "Ann").await);
}

async fn right_passwords_in_parallel_are_not_failures(kind: Kind) {
    let settings = [
        ("PASSWORD_HASHES_AT_ONCE", "2"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "4/15m"),
        ("LOGIN_FAILURES_PER_ADDRESS", "4/15m"),
    ];
    let server = Server::start_with(kind, &settings).await;
    server.browser().sign_up("Ann").await;
    // Not all of them are hashed in time on a busy machine.
    let browser = server.browser().patient();
    let answers = join_all((0..12).map(|_| browser.log_in("Ann"))).await;
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
}

async fn a_success_clears_the_account(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..3 {
        for _ in 0..2 {
            assert_eq!(guess(&browser, "Ann").await.status, 400);
        }
        assert_eq!(browser.log_in("Ann").await.status, 200);
    }
}

async fn unknown_names_are_counted_alike(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for name in ["Ann", "Nobody", "no name at all", ""] {
        for _ in 0..3 {
            assert_eq!(guess(&browser, name).await.status, 400, "{name}");
        }
        wait(&guess(&browser, name).await);
    }
}

async fn counts_survive_restarts_and_span_nodes(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "4/15m")]).await;
    let limit = [("LOGIN_FAILURES_PER_ACCOUNT", "4/15m")];
    server.browser().sign_up("Ann").await;
    for _ in 0..2 {
        guess(&server.browser(), "Ann").await;
    }
    let second = Server::start_on(crate::helpers::Database::at(&server.database.url), &limit).await;
    guess(&second.browser(), "Ann").await;
    guess(&server.browser(), "Ann").await;
    wait(&guess(&second.browser(), "Ann").await);
    drop(second);
    let server = server.restart_with(&limit).await;
    wait(&guess(&server.browser(), "Ann").await);
}

async fn a_stolen_session_cannot_guess_the_password(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let change = |current: &'static str| {
        let body = json!({"current_password": current, "new_password": "black coffee by noon"});
        browser.post("/password", body)
    };
    for _ in 0..3 {
        assert_eq!(change("a wrong password").await.code(), "bad_credentials");
    }
    let wait = wait(&change(PASSWORD).await);
    assert_eq!(
        server.browser().log_in("Ann").await.status,
        200,
        "a login is another matter"
    );
    server.clock.advance(wait);
    assert_eq!(change(PASSWORD).await.status, 204);
}

async fn trying_a_weak_new_password_is_no_guess(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..4 {
        let body = json!({"current_password": PASSWORD, "new_password": "password"});
        assert_eq!(browser.post("/password", body).await.status, 422);
    }
    let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    assert_eq!(browser.post("/password", body).await.status, 204);
}

/// The new password is not examined before the current one is verified.
async fn the_current_password_comes_before_the_new_one(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let body = json!({"current_password": "a wrong password", "new_password": "password"});
    for _ in 0..3 {
        let answer = browser.post("/password", body.clone()).await;
        assert_eq!(answer.code(), "bad_credentials");
    }
    wait(&browser.post("/password", body).await);
}

async fn a_clock_set_back_prolongs_no_lockout(kind: Kind) {
    let settings = [
        ("LOGIN_FAILURES_PER_ACCOUNT", "3/15m"),
        ("LOGIN_FAILURES_PER_ADDRESS", "5/20m"),
    ];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for name in ["Nobody", "Nobody", "Nobody", "Ben", "Ben"] {
        guess(&browser, name).await;
    }
    server.clock.set_back(Duration::from_secs(24 * 60 * 60));
    let of_address = wait(&browser.log_in("Ann").await);
    assert!(of_address <= Duration::from_secs(20 * 60), "{of_address:?}");
    server.clock.advance(of_address);
    assert_eq!(browser.log_in("Ann").await.status, 200);

    let settings = [
        ("LOGIN_FAILURES_PER_ACCOUNT", "3/15m"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ];
    let server = server.restart_with(&settings).await;
    let browser = server.browser();
    for _ in 0..3 {
        assert_eq!(guess(&browser, "Ann").await.status, 400);
    }
    server.clock.set_back(Duration::from_secs(24 * 60 * 60));
    let of_account = wait(&browser.log_in("Ann").await);
    assert!(of_account <= Duration::from_secs(15 * 60), "{of_account:?}");
    server.clock.advance(of_account);
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn long_names_are_counted_too(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    let name = "\u{e9}".repeat(20_000);
    for _ in 0..3 {
        assert_eq!(guess(&browser, &name).await.code(), "bad_credentials");
    }
    wait(&guess(&browser, &name).await);
}

/// Neither a guess nor a right password is half counted when its client disconnects.
async fn disconnecting_changes_nothing(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    // Each with an account: a right password that comes late would clear the guesses.
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let disconnect = async |name: &str, password: &str, after: Duration| {
        let log_in = browser.log_in_with(name, password);
        tokio::time::timeout(after, log_in).await.ok()
    };
    for _ in 0..10 {
        disconnect("Ben", PASSWORD, TOO_SOON).await;
    }
    assert_eq!(server.browser().log_in("Ben").await.status, 200);
    let failures = "audit_events where event = 'log_in' and outcome = 'failure'";
    let (start, mut after) = (Instant::now(), TOO_SOON);
    while server.database.count(failures).await < 3 {
        let answer = disconnect("Ann", "a wrong password", after).await;
        // More of them on a busy machine, until it was long enough.
        after = (after * 3 / 2).min(LONG_ENOUGH);
        if answer.is_some_and(|answer| answer.status == 429) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    wait(&server.browser().log_in("Ann").await);
    // Each is counted before its password is verified, and recorded after that.
    server.database.count_until(failures, 3).await;
    let lock_outs = "audit_events where event = 'lock_out'";
    assert_eq!(server.database.count(lock_outs).await, 1);
}

async fn a_new_password_clears_the_count(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..3 {
        guess(&browser, "Ann").await;
    }
    wait(&browser.log_in("Ann").await);
    let accounts = server.other_process().await;
    let ann = accounts.find_by_username("ann").await.unwrap().unwrap();
    let new = "black coffee by noon";
    accounts
        .set_password(&ann.user, new.to_owned())
        .await
        .unwrap();
    assert_eq!(browser.log_in_with("Ann", new).await.status, 200);
}

async fn limits_can_be_turned_off(kind: Kind) {
    let settings = [
        ("LOGIN_FAILURES_PER_ACCOUNT", "unlimited"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
        ("SIGNUPS_PER_ADDRESS", "unlimited"),
        ("MAILS_PER_ACCOUNT", "unlimited"),
        ("MAILS_PER_ADDRESS", "unlimited"),
    ];
    let server = Server::start_with(kind, &settings).await;
    for number in 0..21 {
        assert_eq!(sign_up_number(&server, number).await.status, 201);
    }
    for _ in 0..51 {
        assert_eq!(guess(&server.browser(), "user0").await.status, 400);
    }
    // Where users were seen is no count.
    let counts = "throttles where key not like 'seen %'";
    assert_eq!(server.database.count(counts).await, 0);
}

async fn what_is_counted_is_forgotten_in_the_end(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    guess(&browser, "Ann").await;
    guess(&browser, "Nobody").await;
    browser.log_in("Ann").await;
    let day = Duration::from_secs(24 * 60 * 60);
    server.clock.advance(2 * day);
    server.auth.purge_records().await.unwrap();
    assert_eq!(
        server.database.count("throttles").await,
        2,
        "the address that Ann is known at, for logins and for notices"
    );
    assert!(server.database.count("audit_events").await > 0);
    server.clock.advance(90 * day);
    server.auth.purge_records().await.unwrap();
    assert_eq!(server.database.count("throttles").await, 0);
    assert_eq!(server.database.count("audit_events").await, 0);
}
