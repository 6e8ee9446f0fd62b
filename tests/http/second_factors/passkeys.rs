//! The passkeys of an account: added, named, deleted.

use std::time::Duration;

use handstamp::auth::Application;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Authenticator, Browser, Kind, MailServer, PASSWORD, Server, encode, find_user,
    on_both_databases,
};

on_both_databases!(
    a_passkey_is_added_named_and_deleted,
    options_ask_for_a_discoverable_and_verified_passkey,
    what_is_no_passkey_is_refused,
    the_last_way_in_stays,
    an_account_has_fifty_at_most,
    every_change_asks_for_a_recent_proof,
    every_change_is_told_and_recorded,
    a_deleted_account_takes_its_passkeys_along,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn list(browser: &Browser) -> Vec<Value> {
    let list = browser.get("/passkeys").await.json()["passkeys"].clone();
    serde_json::from_value(list).unwrap()
}

async fn rename(browser: &Browser, id: &Value, name: &str) -> crate::helpers::Answer {
    let path = format!("/passkeys/{}", id.as_str().unwrap());
    let request = browser.request(Method::PATCH, &path);
    browser.send(request.json(&json!({"name": name}))).await
}

async fn delete(browser: &Browser, id: &Value) -> crate::helpers::Answer {
    let path = format!("/passkeys/{}", id.as_str().unwrap());
    browser.delete(&path).await
}

async fn a_passkey_is_added_named_and_deleted(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(list(&browser).await, [] as [Value; 0]);
    let mut authenticator = Authenticator::default();
    let options = browser.options("/passkeys/options").await;
    let credential = authenticator.create(&options);
    let body = json!({"credential": credential, "name": "  My phone "});
    let added = browser.post("/passkeys", body).await;
    assert_eq!(added.status, 201, "{added:?}");
    let added = added.json();
    assert_eq!(added["name"], "My phone");
    assert_eq!(added["id"], credential["id"]);
    assert_eq!(added["last_used_at"], json!(null));
    assert_eq!(added["backed_up"], true);
    assert_eq!(list(&browser).await, std::slice::from_ref(&added));

    let mut other = Authenticator {
        is_synced: false,
        ..Authenticator::default()
    };
    let second = browser.add_passkey(&mut other).await.json();
    assert_eq!(second["backed_up"], false);
    assert_eq!(second["name"], "Passkey");
    let renamed = rename(&browser, &second["id"], "Key ring").await;
    assert_eq!(
        (renamed.status.as_u16(), &renamed.json()["name"]),
        (200, &json!("Key ring"))
    );
    for name in ["", "   ", "a\nb", &"x".repeat(65)] {
        assert_eq!(rename(&browser, &added["id"], name).await.code(), "invalid");
    }

    let ben = server.browser();
    ben.sign_up("Ben").await;
    for id in [&added["id"], &json!("AAAA"), &json!("not%20one")] {
        assert_eq!(rename(&ben, id, "Mine").await.status, 404);
        assert_eq!(delete(&ben, id).await.status, 404);
    }
    assert_eq!(list(&ben).await, [] as [Value; 0]);
    assert_eq!(delete(&browser, &added["id"]).await.status, 204);
    assert_eq!(delete(&browser, &added["id"]).await.status, 404);
    let names: Vec<_> = list(&browser)
        .await
        .into_iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["Key ring"]);
    let refused = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(refused.code(), "bad_credentials", "it was deleted");
    let answer = server.browser().log_in_by_passkey(&mut other).await;
    assert_eq!(answer.json()["username"], "Ann");
}

async fn options_ask_for_a_discoverable_and_verified_passkey(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let user = browser.sign_up("Ann").await.json();
    let mut authenticator = Authenticator::default();
    let added = browser.add_passkey(&mut authenticator).await.json();
    let options = browser.options("/passkeys/options").await;
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "required");
    assert_eq!(selection["requireResidentKey"], true);
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(options["rp"]["id"], "localhost");
    assert_eq!(options["user"]["name"], "Ann");
    let id: uuid::Uuid = user["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(options["user"]["id"], encode(id.as_bytes()));
    assert_eq!(options["excludeCredentials"][0]["id"], added["id"]);

    let options = server.browser().options("/login/passkey/options").await;
    assert_eq!(options["allowCredentials"], json!([]));
    assert_eq!(options["userVerification"], "required");
    assert_eq!(options["rpId"], "localhost");
    assert!(options.get("mediation").is_none() && options.get("publicKey").is_none());
    let again = browser.options("/reauthenticate/passkey/options").await;
    assert_eq!(again["allowCredentials"][0]["id"], added["id"]);
    assert_ne!(again["challenge"], options["challenge"]);
}

async fn what_is_no_passkey_is_refused(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let ben = server.browser();
    ben.sign_up("Ben").await;
    let add = async |browser: &Browser, credential: Value| {
        browser
            .post("/passkeys", json!({"credential": credential}))
            .await
    };
    let fresh = || Authenticator::default();
    let of_another_origin = Authenticator {
        origin: "https://evil.example".to_owned(),
        ..fresh()
    };
    let of_another_site = Authenticator {
        rp_id: "evil.example".to_owned(),
        ..fresh()
    };
    let unverified = Authenticator {
        verifies: false,
        ..fresh()
    };
    for mut authenticator in [of_another_origin, of_another_site, unverified] {
        let answer = browser.add_passkey(&mut authenticator).await;
        assert_eq!(answer.code(), "bad_passkey");
    }
    // Sent twice; on another session; too late; for another purpose.
    let mut authenticator = fresh();
    let options = browser.options("/passkeys/options").await;
    let credential = authenticator.create(&options);
    assert_eq!(add(&ben, credential.clone()).await.code(), "bad_passkey");
    assert_eq!(
        add(&browser, credential).await.code(),
        "bad_passkey",
        "used up"
    );
    let options = browser.options("/passkeys/options").await;
    let credential = authenticator.create(&options);
    server.clock.advance(Duration::from_secs(5 * 60));
    assert_eq!(add(&browser, credential).await.code(), "bad_passkey", "old");
    let mut options = browser.options("/passkeys/options").await;
    let other = browser.options("/reauthenticate/passkey/options").await;
    options["challenge"] = other["challenge"].clone();
    let credential = authenticator.create(&options);
    assert_eq!(add(&browser, credential).await.code(), "bad_passkey");
    // An attempt that names no challenge uses up what there is.
    let options = browser.options("/passkeys/options").await;
    for nonsense in [
        json!({}),
        json!("x"),
        json!({"response": {"clientDataJSON": "e30"}}),
    ] {
        assert_eq!(add(&browser, nonsense).await.code(), "bad_passkey");
    }
    let credential = authenticator.create(&options);
    assert_eq!(add(&browser, credential).await.code(), "bad_passkey");
    let missing = browser.post("/passkeys", json!({})).await;
    assert_eq!(
        missing.json()["errors"],
        json!({"credential": ["is required"]})
    );
    assert_eq!(list(&browser).await, [] as [Value; 0]);

    // One that somebody has already.
    let options = browser.options("/passkeys/options").await;
    let credential = authenticator.create(&options);
    assert_eq!(add(&browser, credential.clone()).await.status, 201);
    let again = browser.options("/passkeys/options").await;
    let mut copy = credential;
    let client_data = json!({
        "type": "webauthn.create", "challenge": again["challenge"],
        "origin": crate::helpers::ORIGIN, "crossOrigin": false,
    });
    copy["response"]["clientDataJSON"] = json!(encode(client_data.to_string().as_bytes()));
    assert_eq!(add(&browser, copy).await.code(), "bad_passkey");
    assert_eq!(list(&browser).await.len(), 1);
}

async fn an_account_has_fifty_at_most(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..50 {
        let added = browser.add_passkey(&mut Authenticator::default()).await;
        assert_eq!(added.status, 201);
    }
    let one_more = browser.add_passkey(&mut Authenticator::default()).await;
    assert_eq!(one_more.status, 409, "{one_more:?}");
    assert_eq!(one_more.code(), "too_many_passkeys");
    let first = list(&browser).await[0]["id"].clone();
    assert_eq!(delete(&browser, &first).await.status, 204);
    let added = browser.add_passkey(&mut Authenticator::default()).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(server.database.count("passkeys").await, 50);
}

async fn the_last_way_in_stays(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
    server
        .accounts()
        .add(Application::new("Cyd"))
        .await
        .unwrap();
    let cyd = server.browser();
    assert_eq!(cyd.log_in_by_name("Cyd").await.status, 200);
    let info = cyd.session_info().await;
    assert_eq!(
        info["reauthentication"],
        json!(null),
        "nothing to prove with"
    );
    let (mut one, mut other) = (Authenticator::default(), Authenticator::default());
    let first = cyd.add_passkey(&mut one).await.json();
    let by_name = server.browser().log_in_by_name("Cyd").await;
    assert_eq!(by_name.code(), "bad_credentials", "no longer by name alone");
    let info = cyd.session_info().await;
    assert_eq!(info["reauthentication"]["methods"], json!(["passkey"]));
    assert_eq!(delete(&cyd, &first["id"]).await.code(), "last_credential");
    assert_eq!(list(&cyd).await.len(), 1);

    let second = cyd.add_passkey(&mut other).await.json();
    assert_eq!(delete(&cyd, &first["id"]).await.status, 204);
    assert_eq!(delete(&cyd, &second["id"]).await.status, 409);
    let accounts = server.accounts();
    let user = find_user(accounts, "Cyd").await;
    accounts
        .set_password(&user, PASSWORD.to_owned())
        .await
        .unwrap();
    assert_eq!(cyd.log_in("Cyd").await.status, 200);
    assert_eq!(delete(&cyd, &second["id"]).await.status, 204);
    let info = cyd.session_info().await;
    assert_eq!(info["reauthentication"]["methods"], json!(["password"]));
}

async fn every_change_asks_for_a_recent_proof(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let id = browser.add_passkey(&mut authenticator).await.json()["id"].clone();
    let own = format!("/passkeys/{}", id.as_str().unwrap());
    server.clock.advance(HOUR);
    for (method, path) in [
        (Method::POST, "/passkeys/options"),
        (Method::POST, "/passkeys"),
        (Method::PATCH, &*own),
        (Method::DELETE, &*own),
    ] {
        let body = json!({"credential": {}, "name": "x"});
        let request = browser.request(method.clone(), path).json(&body);
        let answer = browser.send(request).await;
        assert_eq!(answer.code(), "reauthentication_required", "{path}");
        assert_eq!(answer.json()["methods"], json!(["password", "passkey"]));
        let visitor = server.browser();
        let request = visitor.request(method, path).json(&body);
        assert_eq!(visitor.send(request).await.reason(), "no_cookie");
    }
    // Either is enough.
    let options = browser.options("/reauthenticate/passkey/options").await;
    let proof = json!({"credential": authenticator.get(&options)});
    let proved = browser.post("/reauthenticate/passkey", proof).await;
    assert_eq!(proved.status, 200, "{proved:?}");
    assert_eq!(rename(&browser, &id, "Mine").await.status, 200);
}

async fn every_change_is_told_and_recorded(kind: Kind) {
    const ANN: &str = "ann@example.com";
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[("PUBLIC_URL", "http://localhost:5000")]);
    let server = server.await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let id = browser.add_passkey(&mut authenticator).await.json()["id"].clone();
    mail.with_subject(ANN, "A passkey was added").await;
    rename(&browser, &id, "Mine").await;
    mail.with_subject(ANN, "A passkey was renamed").await;
    assert_eq!(delete(&browser, &id).await.status, 204);
    mail.with_subject(ANN, "A passkey was deleted").await;
    for event in ["add_passkey", "rename_passkey", "delete_passkey"] {
        let rows = format!("audit_events where event = '{event}' and outcome = 'success'");
        assert_eq!(server.database.count(&rows).await, 1, "{event}");
    }
}

async fn a_deleted_account_takes_its_passkeys_along(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    browser.add_passkey(&mut authenticator).await;
    assert_eq!(browser.delete("/account").await.status, 204);
    assert_eq!(server.database.count("passkeys").await, 0);
    let answer = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.code(), "bad_credentials");
}
