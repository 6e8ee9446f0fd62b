//! Renewing the proof.

use std::time::Duration;

use handstamp::auth::AccountState;
use reqwest::Method;

use crate::helpers::{
    Bound, Browser, DEVICE_BOUND, Database, Device, Kind, Server, challenge, find_user,
    on_both_databases, refresh, set_proof,
};

on_both_databases!(
    a_refresh_needs_no_cookie,
    a_lost_response_is_asked_for_again,
    a_repeated_answer_prolongs_nothing,
    an_older_challenge_no_longer_counts,
    a_challenge_is_of_one_session_and_of_its_time,
    a_laptop_that_slept_for_a_week_goes_on,
    the_end_of_a_session_is_that_of_its_binding,
    a_refresh_is_no_use_of_the_session,
    another_key_is_refused_and_recorded,
    a_rotation_of_the_key_loses_no_proof,
    any_node_takes_what_another_has_given,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn start(kind: Kind) -> (Server, Bound) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    (server, bound)
}

async fn a_refresh_needs_no_cookie(kind: Kind) {
    let (server, bound) = start(kind).await;
    server.clock.advance(10 * MINUTE);
    let bare = server.browser();
    for id in [bound.id.clone(), format!("\"{}\"", bound.id)] {
        let asked = refresh(&bare, &id, None).await;
        let challenge = challenge(&asked, &bound.id);
        let jwt = bound.device.refresh(&challenge);
        for jwt in [jwt.clone(), format!("\"{jwt}\"")] {
            let answer = refresh(&bare, &id, Some(&jwt)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["session_identifier"], *bound.id);
            let proof = set_proof(&answer).unwrap();
            let cookies = format!("{}; session-proof={proof}", bound.copied());
            server.clock.advance(9 * MINUTE);
            assert_eq!(bare.check_with(&cookies).await.status, 200);
            server.clock.set_back(9 * MINUTE);
        }
    }
    let without = bare.request(Method::POST, "/device/refresh");
    assert_eq!(bare.send(without).await.code(), "bad_device_proof");
}

async fn a_lost_response_is_asked_for_again(kind: Kind) {
    let (_server, bound) = start(kind).await;
    let challenge = bound.challenge().await;
    for _ in 0..3 {
        assert_eq!(bound.answer(&challenge).await.status, 200);
    }
    // Nor does a newer challenge that nobody has answered spoil it.
    let newer = bound.challenge().await;
    assert_eq!(bound.answer(&challenge).await.status, 200);
    assert_eq!(bound.answer(&newer).await.status, 200);
    assert_eq!(bound.answer(&challenge).await.code(), "device_challenge");
}

async fn a_repeated_answer_prolongs_nothing(kind: Kind) {
    let (server, bound) = start(kind).await;
    server.clock.stop();
    let challenge = bound.challenge().await;
    assert_eq!(bound.answer(&challenge).await.status, 200);
    server.clock.advance(4 * MINUTE);
    let repeated = bound.answer(&challenge).await;
    let cookie = repeated.header("set-cookie").unwrap();
    assert!(cookie.ends_with("Max-Age=330"), "{cookie}");
    let proof = set_proof(&repeated).unwrap();
    let cookies = format!("{}; session-proof={proof}", bound.copied());
    server.clock.advance(6 * MINUTE - Duration::from_secs(1));
    let check = bound.browser.check_with(&cookies).await;
    assert_eq!(check.status, 200, "{check:?}");
    server.clock.advance(Duration::from_secs(1));
    let check = bound.browser.check_with(&cookies).await;
    assert_eq!(check.reason(), "device_proof_missing");
}

async fn an_older_challenge_no_longer_counts(kind: Kind) {
    let (_server, bound) = start(kind).await;
    let (older, newer) = (bound.challenge().await, bound.challenge().await);
    assert_ne!(older, newer);
    assert_eq!(bound.answer(&newer).await.status, 200);
    let replayed = bound.answer(&older).await;
    let next = challenge(&replayed, &bound.id);
    assert_eq!(set_proof(&replayed), None);
    assert_eq!(bound.answer(&next).await.status, 200);
}

async fn a_challenge_is_of_one_session_and_of_its_time(kind: Kind) {
    let (server, bound) = start(kind).await;
    let other = Bound::log_in(&server, "Ann").await;
    let foreign = other.challenge().await;
    assert_eq!(bound.answer(&foreign).await.code(), "device_challenge");
    let challenge = bound.challenge().await;
    server.clock.advance(5 * MINUTE);
    let late = bound.answer(&challenge).await;
    assert_eq!(late.code(), "device_challenge");
    // One from before the clock was set back.
    let challenge = bound.challenge().await;
    server.clock.set_back(10 * MINUTE);
    assert_eq!(bound.answer(&challenge).await.code(), "device_challenge");
    let challenge = bound.challenge().await;
    assert_eq!(bound.answer(&challenge).await.status, 200);
}

async fn a_laptop_that_slept_for_a_week_goes_on(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    server.clock.advance(7 * 24 * 60 * MINUTE);
    let asleep = bound.browser.check_with(&bound.copied()).await;
    assert_eq!(asleep.reason(), "device_proof_missing");
    bound.refresh().await;
    let awake = bound.browser.check_with(&bound.cookies()).await;
    assert_eq!(awake.status, 200, "{awake:?}");
}

async fn the_end_of_a_session_is_that_of_its_binding(kind: Kind) {
    let (server, owner) = start(kind).await;
    let ann = find_user(server.accounts(), "Ann").await;
    let logged_out = Bound::log_in(&server, "Ann").await;
    logged_out.browser.log_out().await;
    let revoked = Bound::log_in(&server, "Ann").await;
    let path = format!("/sessions/{}", revoked.id);
    assert_eq!(owner.browser.delete(&path).await.status, 204);
    for ended in [&logged_out, &revoked] {
        let answer = refresh(&ended.browser, &ended.id, None).await;
        assert_eq!(answer.reason(), "unknown_session");
        let jwt = ended.device.refresh("no challenge");
        let answer = refresh(&ended.browser, &ended.id, Some(&jwt)).await;
        assert_eq!(answer.reason(), "unknown_session");
    }
    server
        .accounts()
        .set_state(&ann, AccountState::Disabled)
        .await
        .unwrap();
    let answer = refresh(&owner.browser, &owner.id, None).await;
    assert_eq!(answer.reason(), "user_gone");
    server
        .accounts()
        .set_state(&ann, AccountState::Enabled)
        .await
        .unwrap();
    let expired = Bound::log_in(&server, "Ann").await;
    server.clock.advance(31 * 24 * 60 * MINUTE);
    let answer = refresh(&expired.browser, &expired.id, None).await;
    assert_eq!(answer.reason(), "expired");
    // One that is bound to nothing is not told from one that is not there.
    let plain = server.browser();
    plain.log_in("Ann").await;
    let id = plain.session_info().await["session"]["id"].clone();
    let answer = refresh(&plain, id.as_str().unwrap(), None).await;
    assert_eq!(answer.reason(), "unknown_session");
    for id in ["", "x", "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60"] {
        let answer = refresh(&server.browser(), id, None).await;
        assert_eq!(answer.reason(), "unknown_session", "{id}");
    }
}

async fn a_refresh_is_no_use_of_the_session(kind: Kind) {
    let settings = [DEVICE_BOUND, ("SESSION_IDLE_TIMEOUT", "20m")];
    let server = Server::start_with(kind, &settings).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    for _ in 0..3 {
        server.clock.advance(6 * MINUTE);
        bound.refresh().await;
    }
    server.clock.advance(3 * MINUTE);
    let answer = refresh(&bound.browser, &bound.id, None).await;
    assert_eq!(answer.reason(), "expired");
}

async fn another_key_is_refused_and_recorded(kind: Kind) {
    let (server, bound) = start(kind).await;
    server.clock.advance(11 * MINUTE);
    // It is no less of an event after one of another kind.
    let copied = server.browser().check_with(&bound.copied()).await;
    assert_eq!(copied.reason(), "device_proof_missing");
    let challenge = bound.challenge().await;
    let forged = Device::new().refresh(&challenge);
    for _ in 0..3 {
        let answer = refresh(&server.browser(), &bound.id, Some(&forged)).await;
        assert_eq!(answer.code(), "bad_device_proof");
        assert_eq!(set_proof(&answer), None);
    }
    let refused = "audit_events where event = 'device_proof_refused' \
                   and reason = 'wrong_device_key'";
    assert_eq!(server.database.count(refused).await, 1);
    // The challenge is as good as before.
    assert_eq!(bound.answer(&challenge).await.status, 200);
}

async fn a_rotation_of_the_key_loses_no_proof(kind: Kind) {
    let (old_key, new_key) = (
        "a key of the tests before the rotation",
        "and another one of theirs after it all",
    );
    let server = Server::start_with(kind, &[DEVICE_BOUND, ("SECRET_KEY", old_key)]).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(5 * MINUTE);
    bound.refresh().await;
    let before = bound.challenge().await;
    let settings = [
        DEVICE_BOUND,
        ("SECRET_KEY", new_key),
        ("SECRET_KEY_FALLBACKS", old_key),
    ];
    let rotated = Server::start_on(Database::at(&server.database.url), &settings).await;
    let browser = rotated.browser();
    // Five minutes as on the other, and five more.
    rotated.clock.advance(10 * MINUTE);
    let jwt = bound.device.refresh(&before);
    let answered = refresh(&browser, &bound.id, Some(&jwt)).await;
    assert_eq!(answered.code(), "device_challenge", "five minutes old");
    rotated.clock.advance(4 * MINUTE);
    let answer = browser.check_with(&bound.cookies()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let copied = browser.check_with(&bound.copied()).await;
    assert_eq!(copied.reason(), "device_proof_missing");
    // The old key no longer signs.
    let asked = refresh(&browser, &bound.id, None).await;
    let jwt = bound.device.refresh(&challenge(&asked, &bound.id));
    let answer = refresh(&browser, &bound.id, Some(&jwt)).await;
    let proof = set_proof(&answer).unwrap();
    let cookies = format!("{}; session-proof={proof}", bound.copied());
    assert_eq!(browser.check_with(&cookies).await.status, 200);
    server.clock.advance(11 * MINUTE);
    let old = server.browser().check_with(&cookies).await;
    assert_eq!(old.reason(), "device_proof_missing");
}

async fn any_node_takes_what_another_has_given(kind: Kind) {
    let (one, bound) = start(kind).await;
    let two = Server::start_on(Database::at(&one.database.url), &[DEVICE_BOUND]).await;
    // Their clocks differ.
    two.clock.set_back(Duration::from_secs(20));
    let at = |server: &Server| Browser::new(&server.base);
    let mut proof = bound.proof.clone();
    for (first, second) in [(&one, &two), (&two, &one), (&one, &two), (&two, &two)] {
        let asked = refresh(&at(first), &bound.id, None).await;
        let jwt = bound.device.refresh(&challenge(&asked, &bound.id));
        let answer = refresh(&at(second), &bound.id, Some(&jwt)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        proof = set_proof(&answer).unwrap();
    }
    one.clock.advance(9 * MINUTE);
    two.clock.advance(9 * MINUTE);
    let cookies = format!("{}; session-proof={proof}", bound.copied());
    for node in [&one, &two] {
        assert_eq!(at(node).check_with(&cookies).await.status, 200);
        let copied = at(node).check_with(&bound.copied()).await;
        // Nine minutes and twenty seconds are less than ten.
        assert_eq!(copied.status, 200);
    }
    one.clock.advance(2 * MINUTE);
    two.clock.advance(2 * MINUTE);
    for node in [&one, &two] {
        let copied = at(node).check_with(&bound.copied()).await;
        assert_eq!(copied.reason(), "device_proof_missing");
    }
}
