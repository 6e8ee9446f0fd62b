//! Several bound sessions of one browser, which keeps their proofs in one cookie; and binding that is
//! turned off and on.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::helpers::{
    Answer, Bound, Browser, DEVICE_BOUND, Database, Kind, PASSWORD, Server, TwoSteps, challenge,
    on_both_databases, refresh, register, set_proof,
};

on_both_databases!(
    a_browser_that_logged_in_again_forgets_the_session_before,
    a_login_ends_the_users_own_session_without_its_proof,
    the_first_step_ends_the_users_own_session_without_its_proof,
    a_key_without_a_fallback_ends_no_browsers_next_session,
    where_it_is_off_sessions_are_released,
    strangers_ask_for_so_many_challenges,
    a_stranger_learns_nothing_of_a_session,
);

const MINUTE: Duration = Duration::from_secs(60);

/// A refresh with this `Cookie` header.
async fn refresh_with(server: &Server, cookie: &str, id: &str, jwt: Option<&str>) -> Answer {
    let browser = server.browser();
    let request = browser.request(Method::POST, "/device/refresh");
    let mut request = request
        .header("sec-secure-session-id", id)
        .header("cookie", cookie);
    if let Some(jwt) = jwt {
        request = request.header("secure-session-response", jwt);
    }
    browser.send(request).await
}

fn assert_forgotten(answer: &Answer, id: &str) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let forgotten = json!({"session_identifier": id, "continue": false});
    assert_eq!(answer.json(), forgotten);
    assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
}

async fn a_browser_that_logged_in_again_forgets_the_session_before(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let first = Bound::sign_up(&server, "Ann").await;
    let second = Bound::log_in(&server, "Ann").await;
    let challenge = first.challenge().await;
    let jwt = first.device.refresh(&challenge);
    // Its proof would take the place of the other's.
    for jwt in [None, Some(&*jwt)] {
        let answer = refresh_with(&server, &second.copied(), &first.id, jwt).await;
        assert_forgotten(&answer, &first.id);
    }
    // The session itself goes on, as anybody can send its id.
    let answer = refresh_with(&server, &first.copied(), &first.id, Some(&jwt)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(set_proof(&answer).is_some());
}

/// A login of a user on a browser that has this `Cookie` header.
async fn log_in_over(browser: &Browser, name: &str, cookie: String) -> Answer {
    let body = json!({"username": name, "password": PASSWORD});
    let request = browser.request(Method::POST, "/login");
    browser
        .send(request.header("cookie", cookie).json(&body))
        .await
}

async fn a_login_ends_the_users_own_session_without_its_proof(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(11 * MINUTE);
    let answer = log_in_over(&server.browser(), "Ann", bound.copied()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let ended = refresh(&bound.browser, &bound.id, None).await;
    assert_eq!(ended.reason(), "unknown_session");
    assert_eq!(server.database.count("sessions").await, 1);
}

async fn the_first_step_ends_the_users_own_session_without_its_proof(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bens = Bound::sign_up(&server, "Ben").await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let browser = ann.first_step("Ann").await;
    let logged_in = browser.send_code(&ann.app.code()).await;
    assert_eq!(logged_in.status, 200, "{logged_in:?}");
    let bound = Bound::bind(browser, &logged_in).await;
    ann.browser.log_out().await;
    server.clock.advance(11 * MINUTE);

    // Not that of somebody else, whose cookie was copied.
    let browser = server.browser();
    let answer = log_in_over(&browser, "Ann", bens.copied()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let live = refresh(&bens.browser, &bens.id, None).await;
    assert_eq!(live.status, 403, "{live:?}");

    let browser = server.browser();
    let answer = log_in_over(&browser, "Ann", bound.copied()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let ended = refresh(&bound.browser, &bound.id, None).await;
    assert_eq!(ended.reason(), "unknown_session");
    let answer = browser.send_code(&ann.app.code()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = browser.get("/sessions").await.json();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1, "{list}");
    let events = "audit_events where event = 'log_out'";
    assert_eq!(server.database.count(events).await, 2, "of both of Ann's");
}

async fn a_key_without_a_fallback_ends_no_browsers_next_session(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let before = Bound::sign_up(&server, "Ann").await;
    let settings = [
        DEVICE_BOUND,
        ("SECRET_KEY", "another key, as the one before has leaked"),
    ];
    let replaced = Server::start_on(Database::at(&server.database.url), &settings).await;
    let browser = replaced.browser();
    let check = browser.check_with(&before.cookies()).await;
    assert_eq!(check.reason(), "bad_signature");
    let after = Bound::log_in(&replaced, "Ann").await;
    let answer = refresh_with(&replaced, &after.copied(), &before.id, None).await;
    assert_forgotten(&answer, &before.id);
    let asked = refresh_with(&replaced, &after.copied(), &after.id, None).await;
    assert_eq!(asked.code(), "device_challenge");
}

async fn where_it_is_off_sessions_are_released(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(11 * MINUTE);
    let off = Server::start_on(
        Database::at(&server.database.url),
        &[("DEVICE_BOUND_SESSIONS", "off")],
    )
    .await;
    off.clock.advance(11 * MINUTE);
    let at = |server: &Server| Browser::new(&server.base);
    assert_eq!(at(&off).check_with(&bound.copied()).await.status, 200);
    // Nobody else can release it.
    let asked = refresh(&at(&off), &bound.id, None).await;
    let challenge = challenge(&asked, &bound.id);
    let forged = crate::helpers::Device::new().refresh(&challenge);
    let answer = refresh(&at(&off), &bound.id, Some(&forged)).await;
    assert_eq!(answer.code(), "bad_device_proof");
    let check = at(&server).check_with(&bound.copied()).await;
    assert_eq!(check.reason(), "device_proof_missing");
    let jwt = bound.device.refresh(&challenge);
    let answer = refresh(&at(&off), &bound.id, Some(&jwt)).await;
    assert_forgotten(&answer, &bound.id);
    // So it goes on where it is on again: the browser has forgotten its key.
    for _ in 0..100 {
        if at(&server).check_with(&bound.copied()).await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let check = at(&server).check_with(&bound.copied()).await;
    assert_eq!(check.status, 200, "{check:?}");
    let events = "audit_events where event = 'release_device' and outcome = 'success'";
    assert_eq!(server.database.count(events).await, 1);
    let again = register(&at(&off), "no JWT").await;
    assert_eq!(again.status, 404, "{again:?}");
}

async fn strangers_ask_for_so_many_challenges(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    let stranger = server.browser();
    server.clock.stop();
    for _ in 0..100 {
        let answer = refresh(&stranger, &bound.id, None).await;
        assert_eq!(answer.code(), "device_challenge");
    }
    let answer = refresh(&stranger, &bound.id, None).await;
    assert_eq!(answer.code(), "too_many_attempts");
    assert_eq!(answer.header("retry-after"), Some("600"));
    // Who has the cookie of the session goes on, from the same address.
    let answer = refresh(&bound.browser, &bound.id, None).await;
    assert_eq!(answer.code(), "device_challenge");
    server.clock.advance(10 * MINUTE);
    let answer = refresh(&stranger, &bound.id, None).await;
    assert_eq!(answer.code(), "device_challenge");
}

async fn a_stranger_learns_nothing_of_a_session(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(31 * 24 * 60 * MINUTE);
    let answer = refresh(&server.browser(), &bound.id, None).await;
    assert_eq!(answer.reason(), "unknown_session");
    let answer = refresh(&bound.browser, &bound.id, None).await;
    assert_eq!(answer.reason(), "expired");
}
