//! A re-authentication is counted as a login is, so that a stolen session gives no further guesses.

use futures_util::future::join_all;

use crate::helpers::{Kind, PASSWORD, Server, guess, on_both_databases, wait};

on_both_databases!(
    it_shares_the_limit_of_the_account,
    it_shares_the_limit_of_the_address,
    a_success_clears_the_account,
    parallel_guesses_are_counted_one_by_one,
);

const WRONG: &str = "a wrong password";

async fn it_shares_the_limit_of_the_account(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(guess(&server.browser(), "Ann").await.status, 400);
    for _ in 0..2 {
        let answer = browser.reauthenticate(WRONG).await;
        assert_eq!(answer.code(), "bad_credentials");
    }
    let locked_out = wait(&browser.reauthenticate(PASSWORD).await);
    wait(&server.browser().log_in("Ann").await);
    assert_eq!(browser.check().await.status, 200, "it logs nobody out");
    server.clock.advance(locked_out);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);

    for _ in 0..3 {
        assert_eq!(guess(&server.browser(), "Ann").await.status, 400);
    }
    wait(&browser.reauthenticate(PASSWORD).await);
}

async fn it_shares_the_limit_of_the_address(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ADDRESS", "4/15m")]).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    assert_eq!(guess(&server.browser(), "Nobody").await.status, 400);
    for browser in [&ann, &ben, &ann] {
        assert_eq!(browser.reauthenticate(WRONG).await.status, 400);
    }
    wait(&ben.reauthenticate(PASSWORD).await);
    wait(&guess(&server.browser(), "Nobody").await);
}

async fn a_success_clears_the_account(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..3 {
        assert_eq!(guess(&server.browser(), "Ann").await.status, 400);
        assert_eq!(browser.reauthenticate(WRONG).await.status, 400);
        assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    }
}

async fn parallel_guesses_are_counted_one_by_one(kind: Kind) {
    let settings = [
        ("PASSWORD_HASHES_AT_ONCE", "4"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let guesses = (0..100).map(|_| browser.reauthenticate(WRONG));
    let guesses = join_all(guesses).await;
    let of_status = |status: u16| {
        let of_status = guesses.iter().filter(|guess| guess.status == status);
        of_status.count()
    };
    let looked_at = of_status(400);
    assert_eq!(looked_at + of_status(429) + of_status(503), 100);
    assert!((1..=10).contains(&looked_at), "{looked_at} were looked at");
    let failures = "audit_events where event = 'reauthenticate' and outcome = 'failure'";
    // On a busy machine some are counted and told too late, and some are not hashed in time.
    for _ in looked_at..10 {
        browser.patient().reauthenticate(WRONG).await;
    }
    assert_eq!(server.database.count(failures).await, 10);
    wait(&browser.reauthenticate(PASSWORD).await);
    assert_eq!(browser.check().await.status, 200);
}
