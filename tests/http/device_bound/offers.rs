//! Which responses offer to bind a session, and where to.

use axum::{Router, extract::State, routing::post};
use handstamp::{Auth, Error, auth::RequestSession};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Authenticator, Browser, DEVICE_BOUND, Device, Kind, Offer, PASSWORD, Server, TwoSteps,
    on_both_databases,
};

on_both_databases!(
    responses_that_log_in_offer_it_and_no_others,
    so_do_those_of_second_steps_and_passkeys,
    nothing_is_offered_or_asked_where_it_is_off,
    a_browser_without_it_goes_on_for_as_long_as_its_session,
);

async fn responses_that_log_in_offer_it_and_no_others(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let browser = server.browser();
    let signed_up = Offer::of(&browser.sign_up("Ann").await).unwrap();
    let logged_in = Offer::of(&browser.log_in("Ann").await).unwrap();
    assert_eq!(signed_up.path, "device/register");
    assert_eq!(logged_in.path, "device/register");
    assert_ne!(signed_up.challenge, logged_in.challenge);
    let new = "black coffee by noon";
    let change = json!({"current_password": PASSWORD, "new_password": new});
    for answer in [
        browser.check().await,
        browser.get("/session").await,
        browser.reauthenticate(PASSWORD).await,
        browser.log_in_with("Ann", "wrong").await,
        browser.post("/password", change).await,
        browser.log_out().await,
    ] {
        assert_eq!(Offer::of(&answer), None, "{answer:?}");
    }
}

async fn so_do_those_of_second_steps_and_passkeys(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let mut two_steps = TwoSteps::sign_up(&server, "Ann").await;
    let browser = server.browser();
    let first_step = browser.log_in("Ann").await;
    assert_eq!(first_step.status, 202);
    assert_eq!(Offer::of(&first_step), None, "nobody is logged in yet");
    let wrong = browser.send_code(&two_steps.app.wrong_code()).await;
    assert_eq!(
        (wrong.code(), Offer::of(&wrong)),
        ("bad_code".to_owned(), None)
    );
    let second_step = browser.send_code(&two_steps.app.code()).await;
    let offer = Offer::of(&second_step).unwrap();
    assert_eq!(
        resolved(&server.base, "/login/totp", &offer),
        "/device/register"
    );
    assert_bound(&browser, "", &offer).await;

    let browser = two_steps.first_step("Ann").await;
    let code = two_steps.recovery_codes.remove(0);
    let recovered = browser.send_recovery_code(&code).await;
    let offer = Offer::of(&recovered).unwrap();
    let path = resolved(&server.base, "/login/recovery-code", &offer);
    assert_eq!(path, "/device/register");
    assert_bound(&browser, "", &offer).await;

    let mut authenticator = Authenticator::default();
    let added = two_steps.browser.add_passkey(&mut authenticator).await;
    assert_eq!((added.status.as_u16(), Offer::of(&added)), (201, None));
    let browser = server.browser();
    let by_passkey = browser.log_in_by_passkey(&mut authenticator).await;
    assert_eq!(by_passkey.status, 200, "{by_passkey:?}");
    let offer = Offer::of(&by_passkey).unwrap();
    let path = resolved(&server.base, "/login/passkey", &offer);
    assert_eq!(path, "/device/register");
    assert_bound(&browser, "", &offer).await;
}

async fn nothing_is_offered_or_asked_where_it_is_off(kind: Kind) {
    let off = ("DEVICE_BOUND_SESSIONS", "off");
    let server = Server::start_with(kind, &[off]).await;
    let browser = server.browser();
    assert_eq!(Offer::of(&browser.sign_up("Ann").await), None);
    let register = browser.post("/device/register", json!({})).await;
    assert_eq!(register.status, 404);
    let sessions = browser.get("/sessions").await.json();
    assert_eq!(sessions["sessions"][0]["device_bound"], false);
}

async fn a_browser_without_it_goes_on_for_as_long_as_its_session(kind: Kind) {
    let server = Server::start_with(kind, &[DEVICE_BOUND]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..3 {
        server
            .clock
            .advance(std::time::Duration::from_secs(24 * 60 * 60));
        assert_eq!(browser.check().await.status, 200);
    }
    let sessions = browser.get("/sessions").await.json();
    assert_eq!(sessions["sessions"][0]["device_bound"], false);
}

/// The address that a browser resolves the path of an offer to.
fn resolved(base: &str, sent_to: &str, offer: &Offer) -> String {
    let sent_to = url::Url::parse(&format!("{base}{sent_to}")).unwrap();
    sent_to.join(&offer.path).unwrap().path().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offer_leads_to_the_router_wherever_it_is() {
    let prefixed = [DEVICE_BOUND, ("API_PREFIX", "/api")];
    let server = Server::start_with(Kind::Sqlite, &prefixed).await;
    let browser = server.browser();
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    browser.post("/api/signup", body.clone()).await;
    for path in ["/api/login", "/api/login/"] {
        let answer = browser.post(path, body.clone()).await;
        let offer = Offer::of(&answer).unwrap();
        assert_eq!(
            resolved(&server.base, path, &offer),
            "/api/device/register",
            "{path}"
        );
        assert_bound(&browser, "/api", &offer).await;
    }
}

async fn assert_bound(browser: &Browser, prefix: &str, offer: &Offer) {
    let jwt = Device::new().registration(&offer.challenge);
    let request = browser.request(Method::POST, &format!("{prefix}/device/register"));
    let answer = browser
        .send(request.header("secure-session-response", jwt))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["refresh_url"], "refresh");
}

/// The routes under a prefix, and a login of the app's own.
fn app(auth: Auth) -> Router {
    let enter = async |State(auth): State<Auth>, session: RequestSession| {
        let account = auth.accounts().find_by_username("Ann").await?;
        let account = account.ok_or(Error::NotFound)?;
        auth.log_in(&session, &account.user).await
    };
    Router::new()
        .route("/enter", post(enter))
        .with_state(auth.clone())
        .nest("/api/auth", auth.router())
        .layer(auth.layer())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_offers_it_under_its_prefix_and_at_its_own_login() {
    let server = Server::start_app(Kind::Sqlite, &[DEVICE_BOUND], app).await;
    let browser = server.browser();
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    browser.post("/api/auth/signup", body.clone()).await;
    for path in ["/api/auth/login", "/api/auth/login/"] {
        let offer = Offer::of(&browser.post(path, body.clone()).await).unwrap();
        let resolved = resolved(&server.base, path, &offer);
        assert_eq!(resolved, "/api/auth/device/register");
        assert_bound(&browser, "/api/auth", &offer).await;
    }
    // Nobody has said where the router is.
    let entered = browser.post("/enter", Value::Null).await;
    assert_eq!((entered.status.as_u16(), Offer::of(&entered)), (200, None));
}
