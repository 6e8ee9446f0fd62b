//! What a session between the steps of a login is good for: the second step, and nothing else. Also for
//! who has stolen it, or knows the password.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Authenticator, Browser, DEVICE_BOUND, EventStream, Kind, PASSWORD, Server, TwoSteps,
    on_both_databases, wait,
};

on_both_databases!(
    every_route_says_that_nobody_is_logged_in,
    the_first_step_ends_the_streams_of_who_was_logged_in,
    a_stolen_first_step_is_good_for_nothing,
    of_many_guesses_few_are_checked,
);

/// The routes that the second step is sent to.
const SECOND_STEP: [&str; 2] = ["/login/totp", "/login/recovery-code"];
/// It takes the id of a session, and no cookie.
const WITHOUT_COOKIE: &str = "/device/refresh";

/// What some route takes, each field right for itself.
fn body() -> Value {
    json!({
        "password": PASSWORD, "current_password": PASSWORD, "new_password": "a long new one",
        "email": "x@example.com", "title": "x", "text": "x", "code": "123456", "name": "x",
        "credential": {}, "token": "x", "username": "x",
    })
}

/// The operations that need somebody who is logged in, by the description of the API.
pub(super) async fn guarded(browser: &Browser) -> Vec<(Method, String)> {
    let description = browser.get("/openapi.json").await.json();
    let mut found = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let has_401 = operation["responses"].get("401").is_some();
            // What everybody can read, and more who is logged in.
            let is_public = method == "get" && path.starts_with("/posts");
            let is_asked = !SECOND_STEP.contains(&&**path) && path != WITHOUT_COOKIE;
            if has_401 && !is_public && is_asked {
                let path = path.replace("{id}", &uuid::Uuid::nil().to_string());
                let path = path.replace("{comment_id}", &uuid::Uuid::nil().to_string());
                found.push((method.to_uppercase().parse().unwrap(), path));
            }
        }
    }
    found
}

pub(super) async fn send(browser: &Browser, method: &Method, path: &str) -> Answer {
    let request = browser.request(method.clone(), path).json(&body());
    browser.send(request).await
}

async fn every_route_says_that_nobody_is_logged_in(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let half_done = ann.first_step("Ann").await;
    let guarded = guarded(&half_done).await;
    assert!(guarded.len() > 25, "{guarded:?}");
    for path in ["/session/events", "/passkeys", "/reauthenticate/passkey"] {
        assert!(guarded.iter().any(|(_, other)| other == path), "{path}");
    }
    for (method, path) in &guarded {
        let answer = send(&half_done, method, path).await;
        assert_eq!(answer.reason(), "unknown_session", "{method} {path}");
    }
    // Those that are there for everybody.
    let mine = half_done.get("/posts?author=me").await;
    assert_eq!(mine.reason(), "unknown_session");
    assert_eq!(half_done.get("/posts").await.json()["logged_in"], false);
    let info = half_done.session_info().await;
    assert_eq!(info["user"], json!(null));
    assert_eq!(info["session"], json!(null));
    // Nothing of it has ended the login, nor changed the account.
    let answer = half_done.send_code(&ann.app.code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(ann.browser.check().await.status, 200);
}

async fn the_first_step_ends_the_streams_of_who_was_logged_in(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut stream = EventStream::open(&ann.browser).await;
    assert_eq!(ann.browser.log_in_with("Ann", PASSWORD).await.status, 202);
    let ended = stream.next().await.unwrap();
    assert_eq!(ended["state"], "ended", "{ended}");
    assert_eq!(stream.next().await, None);
    let between = ann.browser.get("/session/events").await;
    assert_eq!(between.reason(), "unknown_session");
    assert_eq!(ann.browser.send_code(&ann.app.code()).await.status, 200);
    EventStream::open(&ann.browser).await;
}

async fn a_stolen_first_step_is_good_for_nothing(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let owner = ann.first_step("Ann").await;
    let cookie = format!("session={}", owner.session().unwrap());
    let thief = server.browser();
    let steal = async |method: &Method, path: &str| {
        let request = thief.request(method.clone(), path).json(&body());
        thief.send(request.header("cookie", &cookie)).await
    };
    for (method, path) in guarded(&owner).await {
        let answer = steal(&method, &path).await;
        assert_eq!(answer.reason(), "unknown_session", "{method} {path}");
    }
    let events = thief.get_with("/session/events", &cookie).await;
    assert_eq!(events.reason(), "unknown_session");
    // The code of somebody else, and of a thief with an account of their own.
    let ben = TwoSteps::sign_up(&server, "Ben").await;
    let code = json!({"code": ben.app.code()});
    let request = thief.request(Method::POST, "/login/totp").json(&code);
    let answer = thief.send(request.header("cookie", &cookie)).await;
    assert_eq!(answer.code(), "bad_code");

    // Once the owner is in, it is worth nothing, and theirs has another id.
    assert_eq!(owner.send_code(&ann.app.code()).await.status, 200);
    let code = json!({"code": ann.app.code_in(1)});
    let request = thief.request(Method::POST, "/login/totp").json(&code);
    let answer = thief.send(request.header("cookie", &cookie)).await;
    assert_eq!(answer.reason(), "unknown_session");
    assert_eq!(thief.check_with(&cookie).await.reason(), "unknown_session");
    assert_eq!(owner.check().await.status, 200);
}

/// `SECOND_FACTOR_GUESSES=10000` tries so many.
fn guesses() -> u32 {
    let asked = std::env::var("SECOND_FACTOR_GUESSES").ok();
    asked.map_or(400, |count| count.parse().unwrap())
}

/// How long the first lockout lasts.
const LOCKED_OUT: Duration = Duration::from_secs(15 * 60);
/// Many times as long as any of it takes.
const PATIENCE: Duration = Duration::from_secs(120);

async fn of_many_guesses_few_are_checked(kind: Kind) {
    let server = Server::start_with(kind, &[("LOGIN_FAILURES_PER_ACCOUNT", "10/15m")]).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut authenticator = Authenticator::default();
    let added = ann.browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201);

    // Somebody who knows the password, on twenty connections.
    let mut attackers = Vec::new();
    for _ in 0..5 {
        let attacker = ann.first_step("Ann").await;
        attackers.extend(vec![attacker; 4]);
    }
    let (right, wrong) = (ann.app.code(), ann.app.wrong_code());
    let each = guesses() / 20;
    let guess = async |attacker: &Browser| {
        let start = Instant::now();
        let (mut checked, mut unknown) = (0, 0);
        for number in 1.. {
            assert!(start.elapsed() < PATIENCE, "no limit");
            let answer = attacker.send_code(&wrong).await;
            match answer.status.as_u16() {
                400 => checked += 1,
                // Those before it took too long, on a busy machine. It may have been counted.
                503 => unknown += 1,
                // Some are refused because others are being checked, and are to wait for a second.
                _ if wait(&answer) == LOCKED_OUT && number >= each => break,
                _ => {}
            }
        }
        // The limit is reached: the right code is refused, too.
        loop {
            assert!(start.elapsed() < PATIENCE, "not refused");
            let answer = attacker.send_code(&right).await;
            if answer.status != 503 && wait(&answer) == LOCKED_OUT {
                return (checked, unknown);
            }
        }
    };
    let counts = join_all(attackers.iter().map(guess)).await;
    let checked: i64 = counts.iter().map(|(checked, _)| checked).sum();
    let unknown: i64 = counts.iter().map(|(_, unknown)| unknown).sum();
    assert!(checked <= 10, "{checked} were checked");
    assert!(checked + unknown >= 10, "{checked} and perhaps {unknown}");
    let wrong_codes = "audit_events where event = 'log_in' and reason = 'wrong_code'";
    assert_eq!(server.database.count(wrong_codes).await, 10);
    let users = "sessions where user_id is not null";
    assert_eq!(server.database.count(users).await, 1);

    // A recovery code waits as well. The owner's passkey does not, nor the session that they have.
    let owner = ann.first_step("Ann").await;
    let answer = owner.send_recovery_code(&ann.recovery_codes[0]).await;
    assert_eq!(answer.code(), "too_many_attempts");
    assert_eq!(ann.browser.check().await.status, 200);
    let answer = owner.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    // Waiting gains one attempt at a time, each after a longer wait.
    let mut checked = 10;
    for minutes in [15, 30, 60, 60] {
        server.clock.advance(Duration::from_secs(minutes * 60 - 1));
        let attacker = ann.first_step("Ann").await;
        let early = attacker.send_code(&wrong).await;
        assert_eq!(early.code(), "too_many_attempts", "{minutes}");
        server.clock.advance(Duration::from_secs(1));
        let attacker = ann.first_step("Ann").await;
        assert_eq!(
            attacker.send_code(&wrong).await.code(),
            "bad_code",
            "{minutes}"
        );
        assert_eq!(attacker.send_code(&wrong).await.status, 429);
        checked += 1;
    }
    assert_eq!(server.database.count(wrong_codes).await, checked);
}
