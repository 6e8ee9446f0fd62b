//! Logging in, and proving again who one is, with a passkey; and what is refused.

use std::time::Duration;

use handstamp::auth::AccountState;
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Authenticator, Browser, Kind, Server, TwoSteps, Workplace, encode, find_user, guess,
    on_both_databases,
};

on_both_databases!(
    a_passkey_logs_in_without_a_name,
    two_authenticators_of_one_account_both_log_in,
    what_is_not_right_is_refused,
    hostile_responses_are_refused,
    a_counter_that_goes_back_is_refused_and_recorded,
    a_disabled_account_stays_out,
    a_passkey_renews_the_session,
    a_passkey_of_somebody_else_proves_nothing,
    a_locked_out_owner_gets_in_by_passkey,
);

const MINUTE: Duration = Duration::from_secs(60);

/// It learns its port when it starts, after its settings were read.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_a_free_port_takes_pages_of_localhost() {
    let place = Workplace::new(&[]);
    let process = place.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator {
        origin: "http://localhost:4321".to_owned(),
        ..Authenticator::default()
    };
    let added = browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201, "{added:?}");
    let other = process.browser();
    assert_eq!(
        other.log_in_by_passkey(&mut authenticator).await.status,
        200
    );
    other.log_out().await;
    authenticator.origin = "http://127.0.0.1:4321".to_owned();
    let answer = other.log_in_by_passkey(&mut authenticator).await;
    refused(&other, &answer, "an address").await;
    // The response does not say why, but to who develops a page the log does.
    process.wait_for_log("http://127.0.0.1:4321");
}

/// An account with a passkey.
pub(super) async fn ann(server: &Server) -> (Browser, Authenticator) {
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let added = browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201, "{added:?}");
    (browser, authenticator)
}

/// Asserts that a login was refused like any other, and that nobody is logged in.
pub(super) async fn refused(browser: &Browser, answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {answer:?}");
    assert_eq!(answer.code(), "bad_credentials", "{what}");
    assert_eq!(answer.header("set-cookie"), None, "{what}");
    assert_eq!(browser.check().await.status, 401, "{what}");
}

async fn a_passkey_logs_in_without_a_name(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, mut authenticator) = ann(&server).await;
    let other = server.browser();
    let asked = other.post("/login/passkey/options", json!({})).await;
    let cookie = asked.header("set-cookie").unwrap();
    assert!(cookie.starts_with("passkey="), "{cookie}");
    assert!(
        cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=300"),
        "{cookie}"
    );
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    assert_eq!(
        other.check().await.reason(),
        "no_cookie",
        "it logs nobody in"
    );
    let answer = other.send_passkey(authenticator.get(&asked.json())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), other.check().await.json());
    assert_eq!(answer.json()["username"], "Ann");
    let passkeys = browser.get("/passkeys").await.json();
    assert_ne!(passkeys["passkeys"][0]["last_used_at"], json!(null));
    let sessions = browser.get("/sessions").await.json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);

    // The session that came along ends.
    let before = browser.session().unwrap();
    let before = before.split(';').next().unwrap().to_owned();
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200);
    let old = browser.check_with(&format!("session={before}")).await;
    assert_eq!(old.reason(), "unknown_session");
}

async fn two_authenticators_of_one_account_both_log_in(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, mut one) = ann(&server).await;
    let mut other = Authenticator {
        is_synced: false,
        counter: 1,
        ..Authenticator::default()
    };
    assert_eq!(browser.add_passkey(&mut other).await.status, 201);
    for _ in 0..3 {
        for authenticator in [&mut one, &mut other] {
            let answer = server.browser().log_in_by_passkey(authenticator).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

async fn what_is_not_right_is_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann_browser, mut authenticator) = ann(&server).await;
    let browser = server.browser();
    let nobodys = &mut Authenticator::default();
    nobodys.create(&json!({"challenge": "AAAA", "user": {"id": "AAAA"}}));
    let answer = browser.log_in_by_passkey(nobodys).await;
    refused(&browser, &answer, "of no account").await;

    authenticator.origin = "https://evil.example".to_owned();
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    refused(&browser, &answer, "another origin").await;
    authenticator.origin = "http://localhost:3000".to_owned();
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    refused(&browser, &answer, "another port").await;
    authenticator.origin = crate::helpers::ORIGIN.to_owned();
    authenticator.rp_id = "evil.example".to_owned();
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    refused(&browser, &answer, "another domain").await;
    authenticator.rp_id = "localhost".to_owned();
    authenticator.verifies = false;
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    refused(&browser, &answer, "its user was not verified").await;
    authenticator.verifies = true;

    let user_id = ann_browser.check().await.json()["id"].clone();
    let ben = server.browser();
    let ben_id = ben.sign_up("Ben").await.json()["id"].clone();
    let handle = |id: &Value| {
        let id: uuid::Uuid = id.as_str().unwrap().parse().unwrap();
        json!(encode(id.as_bytes()))
    };
    for (user_handle, what) in [
        (handle(&ben_id), "somebody else's handle"),
        (json!(null), "no handle"),
        (json!("AAAA"), "a handle that is none"),
    ] {
        let options = browser.options("/login/passkey/options").await;
        let mut credential = authenticator.get(&options);
        credential["response"]["userHandle"] = user_handle;
        let answer = browser.send_passkey(credential).await;
        refused(&browser, &answer, what).await;
    }
    // That of a session.
    let mut options = browser.options("/login/passkey/options").await;
    let other = ann_browser.options("/reauthenticate/passkey/options").await;
    options["challenge"] = other["challenge"].clone();
    let answer = browser.send_passkey(authenticator.get(&options)).await;
    refused(&browser, &answer, "of a session").await;
    // As a new one.
    let options = browser.options("/login/passkey/options").await;
    let mut credential = authenticator.get(&options);
    let client_data = json!({
        "type": "webauthn.create", "challenge": options["challenge"],
        "origin": crate::helpers::ORIGIN, "crossOrigin": false,
    });
    credential["response"]["clientDataJSON"] = json!(encode(client_data.to_string().as_bytes()));
    let answer = browser.send_passkey(credential).await;
    refused(&browser, &answer, "made, not used").await;

    let options = browser.options("/login/passkey/options").await;
    let mut credential = authenticator.get(&options);
    credential["response"]["userHandle"] = handle(&user_id);
    assert_eq!(
        browser.send_passkey(credential).await.status,
        200,
        "all right"
    );
    let failed = "audit_events where event = 'log_in' and reason = 'bad_passkey'";
    assert_eq!(server.database.count(failed).await, 9);
}

/// Every field of a right response in its turn replaced by something else.
async fn hostile_responses_are_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let (_, mut authenticator) = ann(&server).await;
    let browser = server.browser();
    let hostile = [
        json!(null),
        json!(7),
        json!([]),
        json!({}),
        json!(""),
        json!("?"),
        json!("AA"),
        json!(encode(&[0xFF; 4_000])),
        json!(encode(b"{}")),
        json!(encode("{\"challenge\":".repeat(500).as_bytes())),
    ];
    let fields = [
        "/rawId",
        "/type",
        "/response",
        "/response/authenticatorData",
        "/response/clientDataJSON",
        "/response/signature",
        "/response/userHandle",
    ];
    for field in fields {
        for value in &hostile {
            let options = browser.options("/login/passkey/options").await;
            let mut credential = authenticator.get(&options);
            *credential.pointer_mut(field).unwrap() = value.clone();
            let answer = browser.send_passkey(credential).await;
            refused(&browser, &answer, &format!("{field}: {value}")).await;
        }
    }
    // What the browser says of extensions is signed by nobody, and not used.
    for value in hostile {
        let options = browser.options("/login/passkey/options").await;
        let mut credential = authenticator.get(&options);
        credential["clientExtensionResults"] = value;
        let answer = browser.send_passkey(credential).await;
        assert!(!answer.status.is_server_error(), "{answer:?}");
        browser.log_out().await;
    }
    for body in ["[]", "{", "{\"credential\":1}", "null"] {
        let request = browser
            .request(reqwest::Method::POST, "/login/passkey")
            .header("content-type", "application/json");
        let answer = browser.send(request.body(body)).await;
        assert!(answer.status.is_client_error(), "{body}: {answer:?}");
    }
    let answer = browser.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn a_counter_that_goes_back_is_refused_and_recorded(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator {
        is_synced: false,
        counter: 5,
        ..Authenticator::default()
    };
    browser.add_passkey(&mut authenticator).await;
    let other = server.browser();
    assert_eq!(
        other.log_in_by_passkey(&mut authenticator).await.status,
        200
    );
    other.log_out().await;
    for counter in [6, 5, 1, 0] {
        authenticator.counter = counter;
        let answer = other.log_in_by_passkey(&mut authenticator).await;
        refused(&other, &answer, &format!("a counter of {counter}")).await;
    }
    let event = "audit_events where event = 'passkey_sign_count_backwards'";
    assert_eq!(server.database.count(event).await, 4);
    authenticator.counter = 7;
    assert_eq!(
        other.log_in_by_passkey(&mut authenticator).await.status,
        200
    );
}

async fn a_disabled_account_stays_out(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, mut authenticator) = ann(&server).await;
    let accounts = server.other_process().await;
    let user = find_user(&accounts, "Ann").await;
    accounts
        .set_state(&user, AccountState::Disabled)
        .await
        .unwrap();
    let other = server.browser();
    let answer = other.log_in_by_passkey(&mut authenticator).await;
    refused(&other, &answer, "disabled").await;
    accounts
        .set_state(&user, AccountState::Enabled)
        .await
        .unwrap();
    assert_eq!(browser.check_until(401).await.status, 401);
    assert_eq!(
        other.log_in_by_passkey(&mut authenticator).await.status,
        200
    );
}

async fn a_passkey_renews_the_session(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, mut authenticator) = ann(&server).await;
    server.clock.advance(60 * MINUTE);
    let before = browser.session_info().await;
    let cookie = browser.session().unwrap();
    let options = browser.options("/reauthenticate/passkey/options").await;
    let proof = json!({"credential": authenticator.get(&options)});
    let answer = browser.post("/reauthenticate/passkey", proof.clone()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let methods = json!(["password", "passkey"]);
    assert_eq!(answer.json()["reauthentication"]["methods"], methods);
    assert_eq!(answer.json()["session"]["id"], before["session"]["id"]);
    assert_ne!(
        answer.json()["session"]["authenticated_at"],
        before["session"]["authenticated_at"]
    );
    assert_ne!(browser.session().unwrap(), cookie);
    let replay = browser.post("/reauthenticate/passkey", proof).await;
    assert_eq!(replay.code(), "bad_credentials");
    assert_eq!(browser.delete("/sessions").await.status, 204);
    for body in [json!({}), json!({"credential": null})] {
        let options = browser.options("/reauthenticate/passkey/options").await;
        let answer = browser.post("/reauthenticate/passkey", body).await;
        assert_eq!(answer.code(), "bad_credentials");
        let proof = json!({"credential": authenticator.get(&options)});
        let used_up = browser.post("/reauthenticate/passkey", proof).await;
        assert_eq!(used_up.code(), "bad_credentials");
    }
    // For another purpose, on the same session.
    let mut options = browser.options("/reauthenticate/passkey/options").await;
    let other = browser.options("/passkeys/options").await;
    options["challenge"] = other["challenge"].clone();
    let proof = json!({"credential": authenticator.get(&options)});
    let answer = browser.post("/reauthenticate/passkey", proof).await;
    assert_eq!(answer.code(), "bad_credentials");
    let visitor = server.browser();
    for path in ["/reauthenticate/passkey/options", "/reauthenticate/passkey"] {
        let answer = visitor.post(path, json!({"credential": {}})).await;
        assert_eq!(answer.reason(), "no_cookie", "{path}");
    }
}

async fn a_passkey_of_somebody_else_proves_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, _) = ann(&server).await;
    let ben = server.browser();
    ben.sign_up("Ben").await;
    let mut bens = Authenticator::default();
    ben.add_passkey(&mut bens).await;
    server.clock.advance(60 * MINUTE);
    let options = browser.options("/reauthenticate/passkey/options").await;
    let proof = json!({"credential": bens.get(&options)});
    let answer = browser.post("/reauthenticate/passkey", proof).await;
    assert_eq!(answer.code(), "bad_credentials");
    assert_eq!(browser.delete("/sessions").await.status, 403);
}

async fn a_locked_out_owner_gets_in_by_passkey(kind: Kind) {
    let limits = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let server = Server::start_with(kind, &limits).await;
    let ann = TwoSteps::sign_up(&server, "Ann").await;
    let mut authenticator = Authenticator::default();
    ann.browser.add_passkey(&mut authenticator).await;
    let attacker = ann.first_step("Ann").await;
    for _ in 0..3 {
        attacker.send_code(&ann.app.wrong_code()).await;
        guess(&server.browser(), "Ann").await;
    }
    assert_eq!(attacker.send_code(&ann.app.code()).await.status, 429);
    let owner = server.browser();
    let answer = owner.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "no code, and no waiting: {answer:?}");
    assert_eq!(owner.check().await.json()["username"], "Ann");
}
