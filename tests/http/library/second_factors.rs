//! Second factors in an app of one's own: the builder, who must have one, and the extractor.

use std::time::Duration;

use axum::{
    Router,
    routing::{get, post},
};
use handstamp::{
    Auth, Clock, CurrentUser, Error,
    auth::{RelyingParty, RequestSession, SecondFactor, Secret, SessionInfo},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Authenticator, AuthenticatorApp, Browser, Kind, ORIGIN, PASSWORD, STEP, Server,
    TwoSteps, find_user, on_both_databases,
};

on_both_databases!(
    the_extractor_asks_for_a_second_factor,
    who_must_have_one_can_only_add_it,
    the_policy_counts_for_sessions_that_are_there,
    an_app_vouches_for_a_second_factor_of_its_own,
    nothing_is_there_that_was_not_asked_for,
    passkeys_that_are_turned_off_are_offered_to_nobody,
    an_app_lists_and_deletes_passkeys,
);

const KEY: &str = "a key of the app's own, of 32 characters";

/// The library as an app sets it up, on the database and by the clock of the test.
fn own_auth(auth: &Auth, with: impl FnOnce(Builder) -> Builder) -> Auth {
    let clock = auth.clone();
    let builder = Auth::builder(auth.db().clone())
        .secret_key(Secret::signing_key(KEY).unwrap())
        .secure_cookies(false)
        .clock(Clock::from_fn(move || clock.now().into()));
    with(builder).build().unwrap()
}

type Builder = handstamp::auth::AuthBuilder;

fn both(builder: Builder) -> Builder {
    builder
        .totp("App")
        .passkeys(RelyingParty::new("localhost", [ORIGIN]).unwrap())
}

fn routes(auth: &Auth) -> Router {
    let own = auth.clone();
    let log_in = async move |session: RequestSession| {
        let account = own.accounts().find_by_username("Ann").await?;
        let user = account.ok_or(Error::BadCredentials)?.user;
        own.log_in_with_second_factor(&session, &user).await
    };
    let deploy = async |SecondFactor(user): SecondFactor| user.username;
    let pay = async |SecondFactor(user): SecondFactor<300>| user.username;
    let home = async |user: Option<CurrentUser>| match user {
        Some(CurrentUser(user)) => user.username,
        None => "stranger".to_owned(),
    };
    let own_page =
        async |session: SessionInfo| session.user.map_or_else(String::new, |user| user.username);
    Router::new()
        .route("/deploy", post(deploy))
        .route("/pay", post(pay))
        .route("/home", get(home))
        .route("/own-page", get(own_page))
        .route("/log-in-elsewhere", post(log_in))
        .route(
            "/admin",
            get(async || "admin").layer(auth.require(|_| true)),
        )
        .layer(auth.layer())
        .merge(auth.routes())
}

fn asked(answer: &Answer) -> Value {
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(answer.code(), "second_factor_required");
    answer.json()["methods"].clone()
}

async fn post_to(browser: &Browser, path: &str) -> Answer {
    browser.post(path, json!({})).await
}

async fn the_extractor_asks_for_a_second_factor(kind: Kind) {
    let app = |auth: Auth| routes(&own_auth(&auth, both));
    let server = Server::start_app(kind, &[], app).await;
    server.clock.stop();
    let visitor = server.browser();
    assert_eq!(post_to(&visitor, "/deploy").await.reason(), "no_cookie");

    // A password is one factor; nobody needs a second one elsewhere.
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(asked(&post_to(&browser, "/deploy").await), json!([]));
    assert_eq!(browser.get("/home").await.text, "Ann");
    let elsewhere = server.browser();
    elsewhere.log_in("Ann").await;

    // To turn it on is to give it, on this session.
    let ann = TwoSteps::turn_on(&server, browser.clone()).await;
    assert_eq!(post_to(&browser, "/deploy").await.text, "Ann");
    assert_eq!(post_to(&browser, "/pay").await.text, "Ann");
    assert_eq!(
        asked(&post_to(&elsewhere, "/deploy").await),
        json!(["totp"])
    );
    server.clock.advance(Duration::from_secs(300));
    assert_eq!(post_to(&browser, "/deploy").await.text, "Ann");
    assert_eq!(asked(&post_to(&browser, "/pay").await), json!(["totp"]));
    // A password proves who they are, and is no second factor.
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(asked(&post_to(&browser, "/pay").await), json!(["totp"]));

    let two_steps = ann.first_step("Ann").await;
    assert_eq!(
        post_to(&two_steps, "/deploy").await.reason(),
        "unknown_session"
    );
    assert_eq!(two_steps.send_code(&ann.app.code()).await.status, 200);
    assert_eq!(post_to(&two_steps, "/pay").await.text, "Ann");

    // A passkey is both factors, at a login and later.
    let mut authenticator = Authenticator::default();
    assert_eq!(elsewhere.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(elsewhere.add_passkey(&mut authenticator).await.status, 201);
    assert_eq!(
        post_to(&elsewhere, "/pay").await.text,
        "Ann",
        "it was made here"
    );
    let by_passkey = server.browser();
    by_passkey.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(post_to(&by_passkey, "/pay").await.text, "Ann");
    let methods = asked(&post_to(&browser, "/pay").await);
    assert_eq!(methods, json!(["passkey", "totp"]));
    let options = browser.options("/reauthenticate/passkey/options").await;
    let proof = json!({"credential": authenticator.get(&options)});
    let proved = browser.post("/reauthenticate/passkey", proof).await;
    assert_eq!(proved.status, 200);
    assert_eq!(post_to(&browser, "/pay").await.text, "Ann");

    // It ends with its session.
    browser.log_out().await;
    assert_eq!(post_to(&browser, "/deploy").await.reason(), "no_cookie");
}

async fn who_must_have_one_can_only_add_it(kind: Kind) {
    let app = |auth: Auth| {
        let strict =
            |builder| both(builder).require_second_factor(|user| user.username.starts_with("Ann"));
        routes(&own_auth(&auth, strict))
    };
    let server = Server::start_app(kind, &[], app).await;
    server.clock.stop();
    let ben = server.browser();
    assert_eq!(ben.sign_up("Ben").await.status, 201);
    assert_eq!(ben.get("/home").await.text, "Ben");

    let ann = server.browser();
    assert_eq!(ann.sign_up("Ann").await.status, 201);
    let refused = [
        (Method::GET, "/home"),
        (Method::GET, "/own-page"),
        (Method::GET, "/admin"),
        (Method::POST, "/deploy"),
        (Method::GET, "/checklogin"),
        (Method::GET, "/sessions"),
        (Method::DELETE, "/sessions"),
        (Method::POST, "/password"),
        (Method::POST, "/email"),
        (Method::DELETE, "/totp"),
        (Method::POST, "/recovery-codes"),
        (Method::DELETE, "/account"),
    ];
    let body = json!({
        "current_password": PASSWORD, "new_password": "a long new one", "email": "x@example.com",
    });
    for (method, path) in &refused {
        let request = ann.request(method.clone(), path).json(&body);
        assert_eq!(asked(&ann.send(request).await), json!([]), "{path}");
    }
    // What they need to add one.
    assert_eq!(ann.session_info().await["user"]["username"], "Ann");
    assert_eq!(ann.get("/passkeys").await.status, 200);
    assert_eq!(ann.get("/totp").await.status, 200);
    server.clock.advance(Duration::from_secs(3600));
    let late = ann.post("/totp", json!({})).await;
    assert_eq!(late.code(), "reauthentication_required");
    assert_eq!(ann.reauthenticate(PASSWORD).await.status, 200);

    // One that they log out of is as any other.
    let other = server.browser();
    assert_eq!(other.log_in("Ann").await.status, 200);
    assert_eq!(asked(&other.check().await), json!([]));
    assert_eq!(other.log_out().await.status, 200);
    assert_eq!(other.check().await.reason(), "no_cookie");

    let begun = ann.post("/totp", json!({})).await.json();
    let codes = AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap());
    let wrong = ann.post("/totp/confirm", json!({"code": codes.wrong_code()}));
    assert_eq!(wrong.await.code(), "bad_code");
    assert_eq!(asked(&ann.check().await), json!([]), "not yet");
    let confirmed = ann.post("/totp/confirm", json!({"code": codes.code()}));
    assert_eq!(confirmed.await.status, 200);
    assert_eq!(ann.get("/home").await.text, "Ann");
    assert_eq!(ann.get("/admin").await.text, "admin");
    assert_eq!(ann.check().await.status, 200);

    // From then on it is asked for at each login.
    server.clock.advance(STEP);
    let next = server.browser();
    assert_eq!(next.log_in("Ann").await.status, 202);
    assert_eq!(next.send_code(&codes.code()).await.status, 200);
    assert_eq!(next.get("/home").await.text, "Ann");
}

async fn the_policy_counts_for_sessions_that_are_there(kind: Kind) {
    let app = |auth: Auth| {
        let lax = own_auth(&auth, both);
        let strict = own_auth(&auth, |builder| {
            both(builder).require_second_factor(|_| true)
        });
        routes(&lax).nest("/strict", routes(&strict))
    };
    let server = Server::start_app(kind, &[], app).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let elsewhere = server.browser();
    elsewhere.log_in("Ann").await;
    assert_eq!(asked(&elsewhere.get("/strict/home").await), json!([]));
    assert_eq!(ann.add_passkey(&mut authenticator).await.status, 201);
    assert_eq!(ann.get("/strict/home").await.text, "Ann");
    // Begun before, by a password alone: the passkey that they have now has to be used.
    assert_eq!(elsewhere.get("/home").await.text, "Ann");
    let methods = asked(&elsewhere.get("/strict/home").await);
    assert_eq!(methods, json!(["passkey"]));
    // Nor can another be added there, by somebody who has the password alone.
    let mut thief = Authenticator::default();
    let options = elsewhere.options("/passkeys/options").await;
    let body = json!({"credential": thief.create(&options)});
    let begun = elsewhere.post("/totp", json!({})).await.json();
    let app = AuthenticatorApp::new(&server, begun["secret"].as_str().unwrap());
    for (path, body) in [
        ("/strict/passkeys/options", json!({})),
        ("/strict/passkeys", body),
        ("/strict/totp", json!({})),
        ("/strict/totp/confirm", json!({"code": app.code()})),
    ] {
        let answer = elsewhere.post(path, body).await;
        assert_eq!(asked(&answer), json!(["passkey"]), "{path}");
    }
    assert_eq!(server.database.count("passkeys").await, 1);
    let path = "/strict/reauthenticate/passkey";
    let options = elsewhere.options(&format!("{path}/options")).await;
    let proof = json!({"credential": authenticator.get(&options)});
    assert_eq!(elsewhere.post(path, proof).await.status, 200);
    assert_eq!(elsewhere.get("/strict/home").await.text, "Ann");
    let added = elsewhere.post("/strict/passkeys/options", json!({})).await;
    assert_eq!(added.status, 200, "who has given it may add another");
}

async fn an_app_vouches_for_a_second_factor_of_its_own(kind: Kind) {
    let app = |auth: Auth| {
        let strict = |builder: Builder| builder.require_second_factor(|_| true);
        routes(&own_auth(&auth, strict))
    };
    let server = Server::start_app(kind, &[], app).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    assert_eq!(asked(&ann.get("/home").await), json!([]));
    assert_eq!(post_to(&ann, "/log-in-elsewhere").await.status, 200);
    assert_eq!(ann.get("/home").await.text, "Ann");
    assert_eq!(post_to(&ann, "/deploy").await.text, "Ann");
}

async fn nothing_is_there_that_was_not_asked_for(kind: Kind) {
    let app = |auth: Auth| routes(&own_auth(&auth, |builder| builder));
    let server = Server::start_app(kind, &[], app).await;
    let ann = server.browser();
    ann.sign_up("Ann").await;
    for path in [
        "/totp",
        "/passkeys/options",
        "/login/passkey/options",
        "/login/totp",
    ] {
        assert_eq!(post_to(&ann, path).await.status, 404, "{path}");
    }
}

/// Two servers of one database, of which the second, at `/off`, takes no passkeys any more.
async fn passkeys_that_are_turned_off_are_offered_to_nobody(kind: Kind) {
    let app = |auth: Auth| {
        let off = own_auth(&auth, |builder| builder.totp("App"));
        routes(&own_auth(&auth, both)).nest("/off", routes(&off))
    };
    let server = Server::start_app(kind, &[], app).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let added = browser.add_passkey(&mut authenticator).await;
    assert_eq!(added.status, 201);
    let methods = async |path: &str| {
        let info = browser.get(path).await.json();
        info["reauthentication"]["methods"].clone()
    };
    assert_eq!(methods("/session").await, json!(["password", "passkey"]));
    assert_eq!(methods("/off/session").await, json!(["password"]));
    let elsewhere = server.browser();
    elsewhere.log_in("Ann").await;
    let on = post_to(&elsewhere, "/deploy").await;
    assert_eq!(asked(&on), json!(["passkey"]));
    let off = post_to(&elsewhere, "/off/deploy").await;
    assert_eq!(asked(&off), json!([]));
    assert_eq!(browser.get("/off/passkeys").await.status, 404);

    server.clock.advance(Duration::from_secs(60 * 60));
    let refused = browser.delete("/off/sessions").await;
    assert_eq!(refused.code(), "reauthentication_required");
    assert_eq!(refused.json()["methods"], json!(["password"]));
    // Who has nothing else can prove nothing before they have chosen a password.
    let without = "update users set password_hash = null";
    server.database.execute(without).await;
    let by_passkey = server.browser();
    let answer = by_passkey.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    server.clock.advance(Duration::from_secs(60 * 60));
    let refused = by_passkey.delete("/off/sessions").await;
    assert_eq!(refused.code(), "reauthentication_required");
    assert_eq!(refused.json()["methods"], json!([]));
}

async fn an_app_lists_and_deletes_passkeys(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut authenticator = Authenticator::default();
    let added = browser.add_passkey(&mut authenticator).await.json();
    let accounts = server.accounts();
    let ann = find_user(accounts, "Ann").await;
    let passkeys = accounts.passkeys(&ann).await.unwrap();
    assert_eq!(serde_json::to_value(&passkeys).unwrap(), json!([added]));
    let ben = server.browser();
    ben.sign_up("Ben").await;
    let ben = find_user(accounts, "Ben").await;
    let id = &passkeys[0].id;
    assert!(!accounts.delete_passkey(&ben, id).await.unwrap());
    assert!(accounts.delete_passkey(&ann, id).await.unwrap());
    assert!(!accounts.delete_passkey(&ann, id).await.unwrap());
    let answer = server.browser().log_in_by_passkey(&mut authenticator).await;
    assert_eq!(answer.code(), "bad_credentials");
    // Who was logged in by it stays so, and has no passkey to prove anything with.
    let info = browser.session_info().await;
    assert_eq!(info["reauthentication"]["methods"], json!(["password"]));
}
