//! Binding a session.

use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{
    Bound, DEVICE_BOUND, Device, Kind, Offer, PASSWORD, Server, on_both_databases, register,
    set_proof,
};

on_both_databases!(
    a_session_is_bound_once_to_one_key,
    the_browser_is_told_what_to_keep,
    a_challenge_is_of_one_session_and_of_its_time,
    nobody_binds_somebody_elses_session,
    the_binding_outlives_new_ids,
    the_owner_sees_what_is_bound,
);

async fn a_session_is_bound_once_to_one_key(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let browser = server.browser();
    let offer = Offer::of(&browser.sign_up("Ann").await).unwrap();
    let (device, other) = (Device::new(), Device::new());
    let first = register(&browser, &device.registration(&offer.challenge)).await;
    assert_eq!(first.status, 200, "{first:?}");
    // The response was lost: the same again.
    let again = register(&browser, &device.registration(&offer.challenge)).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(first.text, again.text);
    let stolen = register(&browser, &other.registration(&offer.challenge)).await;
    assert_eq!(stolen.code(), "bad_device_proof");
    assert_eq!(set_proof(&stolen), None);
    let bound = "audit_events where event = 'bind_device'";
    assert_eq!(server.database.count(bound).await, 1);
    let refused = "audit_events where event = 'device_proof_refused' \
                   and reason = 'wrong_device_key' and outcome = 'failure'";
    assert_eq!(server.database.count(refused).await, 1);
}

async fn the_browser_is_told_what_to_keep(kind: Kind) {
    let settings = [
        DEVICE_BOUND,
        (
            "ALLOWED_ORIGINS",
            "https://app.example,http://localhost:3000",
        ),
    ];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    let offer = Offer::of(&browser.sign_up("Ann").await).unwrap();
    let answer = register(&browser, &Device::new().registration(&offer.challenge)).await;
    let id = browser.session_info().await["session"]["id"].clone();
    assert_eq!(
        answer.json(),
        json!({
            "session_identifier": id,
            "refresh_url": "refresh",
            "scope": {"include_site": false},
            "credentials": [{
                "type": "cookie",
                "name": "session-proof",
                "attributes": "Path=/; HttpOnly; SameSite=Lax",
            }],
            "allowed_refresh_initiators": ["app.example", "localhost"],
        })
    );
    let set = answer.header("set-cookie").unwrap();
    assert!(set.starts_with("session-proof="), "{set}");
    // Half a minute less than it counts.
    let attributes = "; HttpOnly; SameSite=Lax; Path=/; Max-Age=570";
    assert!(set.ends_with(attributes), "{set}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn a_challenge_is_of_one_session_and_of_its_time(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let (ann, ben) = (server.browser(), server.browser());
    let anns = Offer::of(&ann.sign_up("Ann").await).unwrap();
    let bens = Offer::of(&ben.sign_up("Ben").await).unwrap();
    let device = Device::new();
    for challenge in [&*bens.challenge, "", "made up", &"A".repeat(32)] {
        let answer = register(&ann, &device.registration(challenge)).await;
        assert_eq!(answer.code(), "bad_device_proof", "{challenge}");
    }
    server.clock.advance(Duration::from_secs(301));
    let late = register(&ann, &device.registration(&anns.challenge)).await;
    assert_eq!(late.code(), "bad_device_proof");
    server.clock.set_back(Duration::from_secs(2 * 301));
    let early = register(&ann, &device.registration(&anns.challenge)).await;
    assert_eq!(early.code(), "bad_device_proof");
    let bound = "sessions where device_key is not null";
    assert_eq!(server.database.count(bound).await, 0);
}

async fn nobody_binds_somebody_elses_session(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let owner = server.browser();
    let offer = Offer::of(&owner.sign_up("Ann").await).unwrap();
    let jwt = Device::new().registration(&offer.challenge);
    // Without the cookie the challenge alone is good for nothing.
    let stranger = register(&server.browser(), &jwt).await;
    assert_eq!(stranger.reason(), "no_cookie");
    owner.log_out().await;
    let ended = register(&owner, &jwt).await;
    assert_eq!(ended.reason(), "no_cookie");
}

async fn the_binding_outlives_new_ids(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    let proof = bound.proof.clone();
    let answer = bound.browser.reauthenticate(PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let new = "black coffee by noon";
    let change = json!({"current_password": PASSWORD, "new_password": new});
    assert_eq!(bound.browser.post("/password", change).await.status, 204);
    let before = bound.session.clone();
    bound.session = bound.browser.session().unwrap();
    assert_ne!(bound.session, before);
    // The proof is that of the session, whatever its secret id is.
    assert_eq!(bound.browser.check_with(&bound.cookies()).await.status, 200);
    server.clock.advance(Duration::from_secs(11 * 60));
    let copied = bound.browser.check_with(&bound.copied()).await;
    assert_eq!(copied.reason(), "device_proof_missing");
    bound.refresh().await;
    assert_ne!(bound.proof, proof);
    assert_eq!(bound.browser.check_with(&bound.cookies()).await.status, 200);
    let id = bound.browser.session_info().await["session"]["id"].clone();
    assert_eq!(id, Value::String(bound.id));
}

async fn the_owner_sees_what_is_bound(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    server.browser().log_in("Ann").await;
    let sessions = bound.browser.get("/sessions").await.json();
    let sessions = sessions["sessions"].as_array().unwrap().clone();
    let seen = sessions.iter().map(|session| {
        let is = |name: &str| session[name].as_bool().unwrap();
        (is("current"), is("device_bound"))
    });
    assert_eq!(seen.collect::<Vec<_>>(), [(false, false), (true, true)]);
    // It is the setting that counts.
    let off = Server::start_on(
        crate::helpers::Database::at(&server.database.url),
        &[("DEVICE_BOUND_SESSIONS", "off")],
    )
    .await;
    let answer = off.browser().get_with("/sessions", &bound.copied()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!answer.text.contains("\"device_bound\":true"), "{answer:?}");
}
