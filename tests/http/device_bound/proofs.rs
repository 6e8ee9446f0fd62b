//! What a cookie is worth without the proof of its device.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Bound, Browser, DEVICE_BOUND, Database, EventStream, Kind, Offer, PASSWORD, Server,
    on_both_databases,
};

on_both_databases!(
    a_copied_cookie_is_worthless_once_the_proof_has_expired,
    a_proof_is_of_one_session_and_of_its_time,
    the_session_does_not_live_on_by_it,
    a_log_out_without_a_proof_ends_nothing,
    nor_does_a_login,
    no_cookie_is_set_on_it,
    an_open_stream_ends_with_the_proof,
    another_node_hears_of_the_binding,
    a_clock_set_back_prolongs_no_proof,
    nor_does_it_let_a_log_out_end_the_session,
    a_proof_that_a_neighbour_has_set_takes_nothing_away,
    no_cookie_is_re_signed_or_made_for_it,
    a_lifetime_that_was_shortened_counts_at_once,
);

const MINUTE: Duration = Duration::from_secs(60);

async fn start(kind: Kind) -> (Server, Bound) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    (server, bound)
}

fn assert_unproven(answer: &Answer) {
    assert_eq!(answer.code(), "not_logged_in", "{answer:?}");
    assert_eq!(answer.reason(), "device_proof_missing", "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None, "{answer:?}");
}

async fn a_copied_cookie_is_worthless_once_the_proof_has_expired(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    let browser = server.browser();
    // Requests that were under way when it was bound have no proof.
    assert_eq!(browser.check_with(&bound.copied()).await.status, 200);
    server.clock.advance(10 * MINUTE - Duration::from_secs(5));
    assert_eq!(browser.check_with(&bound.copied()).await.status, 200);
    assert_eq!(browser.check_with(&bound.cookies()).await.status, 200);
    let both = bound.cookies();
    server.clock.advance(Duration::from_secs(5));
    for cookies in [bound.copied(), both.clone()] {
        for _ in 0..2 {
            assert_unproven(&browser.check_with(&cookies).await);
        }
    }
    // The owner goes on.
    bound.refresh().await;
    for _ in 0..2 {
        assert_eq!(browser.check_with(&bound.cookies()).await.status, 200);
        assert_unproven(&browser.check_with(&both).await);
        assert_unproven(&browser.check_with(&bound.copied()).await);
    }
}

async fn a_proof_is_of_one_session_and_of_its_time(kind: Kind) {
    let (server, mut ann) = start(kind).await;
    let mut other = Bound::log_in(&server, "Ann").await;
    server.clock.advance(11 * MINUTE);
    ann.refresh().await;
    other.refresh().await;
    let challenge = ann.challenge().await;
    let mut cut = ann.proof.clone();
    cut.pop();
    for proof in [
        &*other.proof,
        &cut,
        "",
        &challenge,
        &format!("{}x", ann.proof),
    ] {
        let cookies = format!("{}; session-proof={proof}", ann.copied());
        assert_unproven(&server.browser().check_with(&cookies).await);
    }
    for at in 0..ann.proof.len() {
        let mut changed = ann.proof.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let cookies = format!("{}; session-proof={changed}", ann.copied());
        assert_unproven(&server.browser().check_with(&cookies).await);
    }
    // Alone it is nothing.
    let alone = format!("session-proof={}", ann.proof);
    let alone = server.browser().check_with(&alone).await;
    assert_eq!(alone.reason(), "no_cookie");
    assert_eq!(
        server.browser().check_with(&ann.cookies()).await.status,
        200
    );
}

async fn the_session_does_not_live_on_by_it(kind: Kind) {
    let settings = [DEVICE_BOUND, ("SESSION_IDLE_TIMEOUT", "20m")];
    let server = Server::start_with(kind, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    let thief = server.browser();
    server.clock.advance(11 * MINUTE);
    for _ in 0..8 {
        assert_unproven(&thief.check_with(&bound.copied()).await);
        assert_eq!(
            thief.get_with("/session", &bound.copied()).await.status,
            200
        );
        server.clock.advance(MINUTE);
    }
    server.clock.advance(MINUTE);
    let check = thief.check_with(&bound.copied()).await;
    assert_eq!(check.reason(), "expired");
}

async fn a_log_out_without_a_proof_ends_nothing(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    server.clock.advance(11 * MINUTE);
    let thief = server.browser();
    bound.refresh().await;
    assert_eq!(thief.check_with(&bound.cookies()).await.status, 200);
    let out = thief
        .send_with(Method::DELETE, "/logout", &bound.copied())
        .await;
    assert_eq!((out.status, &*out.text), (StatusCode::OK, "{}"));
    let removed = out.header("set-cookie").unwrap();
    assert!(removed.starts_with("session=;"), "{removed}");
    assert_eq!(thief.check_with(&bound.cookies()).await.status, 200);
    // A node that has nothing cached.
    let cold = Server::start_on(Database::at(&server.database.url), &[DEVICE_BOUND]).await;
    cold.clock.advance(11 * MINUTE);
    let out = cold
        .browser()
        .send_with(Method::DELETE, "/logout", &bound.copied())
        .await;
    assert_eq!(out.status, 200);
    assert_eq!(thief.check_with(&bound.cookies()).await.status, 200);
    // Two cookies of the name end both sessions, except those.
    let refused = "audit_events where event = 'device_proof_refused' \
                   and reason = 'device_proof_missing'";
    assert_eq!(server.database.count(refused).await, 1);
    let twice = format!("{}; {}", bound.copied(), bound.copied());
    thief.send_with(Method::DELETE, "/logout", &twice).await;
    assert_eq!(thief.check_with(&bound.cookies()).await.status, 200);
    // With the proof it is the owner's, and both cookies are removed.
    let out = thief
        .send_with(Method::DELETE, "/logout", &bound.cookies())
        .await;
    let removed = out.headers.get_all("set-cookie").iter();
    let removed: Vec<_> = removed.map(|value| value.to_str().unwrap()).collect();
    assert!(removed[0].starts_with("session=;"), "{removed:?}");
    assert!(removed[1].starts_with("session-proof=;"), "{removed:?}");
    let check = thief.check_with(&bound.cookies()).await;
    assert_eq!(check.reason(), "unknown_session");
}

async fn nor_does_a_login(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    server.browser().sign_up("Ben").await;
    server.clock.advance(11 * MINUTE);
    let thief = server.browser();
    let body = json!({"username": "Ben", "password": PASSWORD});
    let request = thief.request(Method::POST, "/login");
    let request = request.header("cookie", bound.copied()).json(&body);
    let answer = thief.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(Offer::of(&answer).is_some());
    bound.refresh().await;
    assert_eq!(thief.check_with(&bound.cookies()).await.status, 200);
    // The owner's own does.
    let request = thief.request(Method::POST, "/login");
    let body = json!({"username": "Ann", "password": PASSWORD});
    let request = request.header("cookie", bound.cookies()).json(&body);
    assert_eq!(thief.send(request).await.status, 200);
    let check = thief.check_with(&bound.cookies()).await;
    assert_eq!(check.reason(), "unknown_session");
}

async fn no_cookie_is_set_on_it(kind: Kind) {
    let settings = [DEVICE_BOUND, ("FREE_READS", "1")];
    let server = Server::start_with(kind, &settings).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    let post = json!({"title": "One", "text": "two"});
    let post = bound.browser.post("/posts", post).await.json();
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    server.clock.advance(11 * MINUTE);
    // A visitor's session would take the place of the owner's in their browser.
    let sessions = server.database.count("sessions").await;
    let answer = server.browser().get_with(&path, &bound.copied()).await;
    assert_unproven(&answer);
    assert_eq!(server.database.count("sessions").await, sessions);
    bound.refresh().await;
    let answer = server.browser().get_with(&path, &bound.cookies()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn an_open_stream_ends_with_the_proof(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    let browser = server.browser();
    server.clock.advance(5 * MINUTE);
    bound.refresh().await;
    let cookies = bound.cookies();
    let mut proven = EventStream::open_with(&browser, &cookies).await;
    let mut copied = EventStream::open_with(&browser, &bound.copied()).await;
    // The copied cookies have no proof, and the minutes in which none is needed have passed.
    server.clock.advance(6 * MINUTE);
    assert_eq!(copied.next_block().await, None);
    assert_unproven(&browser.get_with("/session/events", &bound.copied()).await);
    // It follows the proof that it came with, not a later one.
    bound.refresh().await;
    server.clock.advance(5 * MINUTE);
    assert_eq!(proven.next_block().await, None);
    let again = EventStream::open_with(&browser, &bound.cookies()).await;
    browser
        .send_with(Method::DELETE, "/logout", &bound.cookies())
        .await;
    assert_eq!(again.reason().await, "logged_out");
}

async fn another_node_hears_of_the_binding(kind: Kind) {
    let one = Server::start_with(kind, &[DEVICE_BOUND, ("DEVICE_PROOF_LIFETIME", "1s")]).await;
    let two = Server::start_on(
        Database::at(&one.database.url),
        &[DEVICE_BOUND, ("DEVICE_PROOF_LIFETIME", "1s")],
    )
    .await;
    let browser = one.browser();
    let answer = browser.sign_up("Ann").await;
    let copied = format!("session={}", browser.session().unwrap());
    let other = Browser::new(&two.base);
    // Cached there as a session that is bound to nothing; so is an open stream's.
    let mut stream = EventStream::open_with(&other, &copied).await;
    assert_eq!(other.check_with(&copied).await.status, 200);
    let _bound = Bound::bind(browser, &answer).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_unproven(&other.check_with(&copied).await);
    assert_eq!(stream.next().await, None);
}

async fn a_clock_set_back_prolongs_no_proof(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    server.clock.advance(60 * MINUTE);
    bound.refresh().await;
    let browser = server.browser();
    assert_eq!(browser.check_with(&bound.cookies()).await.status, 200);
    server.clock.set_back(30 * MINUTE);
    assert_unproven(&browser.check_with(&bound.cookies()).await);
    bound.refresh().await;
    assert_eq!(browser.check_with(&bound.cookies()).await.status, 200);
}

async fn nor_does_it_let_a_log_out_end_the_session(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    server.clock.advance(60 * MINUTE);
    let bound = Bound::sign_up(&server, "Ann").await;
    server.clock.set_back(30 * MINUTE);
    let browser = server.browser();
    assert_unproven(&browser.check_with(&bound.copied()).await);
    browser
        .send_with(Method::DELETE, "/logout", &bound.copied())
        .await;
    let live = "sessions where device_key is not null";
    assert_eq!(server.database.count(live).await, 1);
}

async fn a_proof_that_a_neighbour_has_set_takes_nothing_away(kind: Kind) {
    let (server, mut bound) = start(kind).await;
    server.clock.advance(11 * MINUTE);
    bound.refresh().await;
    let (browser, own) = (server.browser(), &bound.proof);
    for proofs in [["x", own], [own, "x"], [own, own]] {
        let [one, other] = proofs.map(|proof| format!("session-proof={proof}"));
        let cookies = format!("{one}; {}; {other}", bound.copied());
        for _ in 0..2 {
            let check = browser.check_with(&cookies).await;
            assert_eq!(check.status, 200, "{cookies}: {check:?}");
        }
    }
}

async fn no_cookie_is_re_signed_or_made_for_it(kind: Kind) {
    let before = "the key before; it is as long as it has to be";
    let settings = [DEVICE_BOUND, ("FREE_READS", "1"), ("SECRET_KEY", before)];
    let server = Server::start_with(kind, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    let post = json!({"title": "One", "text": "two"});
    let post = bound.browser.post("/posts", post).await.json();
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    let settings = [
        DEVICE_BOUND,
        ("FREE_READS", "1"),
        ("SECRET_KEY", "the next key, as long as it has to be"),
        ("SECRET_KEY_FALLBACKS", before),
    ];
    let rotated = Server::start_on(Database::at(&server.database.url), &settings).await;
    rotated.clock.advance(11 * MINUTE);
    let browser = rotated.browser();
    let sessions = rotated.database.count("sessions").await;
    assert_unproven(&browser.check_with(&bound.copied()).await);
    assert_unproven(&browser.get_with(&path, &bound.copied()).await);
    assert_eq!(rotated.database.count("sessions").await, sessions);
}

async fn a_lifetime_that_was_shortened_counts_at_once(kind: Kind) {
    let settings = [DEVICE_BOUND, ("DEVICE_PROOF_LIFETIME", "1h")];
    let server = Server::start_with(kind, &settings).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    server.clock.advance(30 * MINUTE);
    bound.refresh().await;
    let shorter = Server::start_on(Database::at(&server.database.url), &[DEVICE_BOUND]).await;
    shorter.clock.advance(30 * MINUTE);
    let check = shorter.browser().check_with(&bound.cookies()).await;
    assert_unproven(&check);
    let body: Value = check.json();
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("`session-proof` cookie"), "{detail}");
}
