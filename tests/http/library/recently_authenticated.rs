//! The library's extractors of who has proved lately who they are, and of the session.

use std::time::Duration;

use axum::{
    Json, Router,
    routing::{get, post},
};
use handstamp::{
    Auth, RecentlyAuthenticated,
    auth::{Application, SessionInfo},
};
use serde_json::json;

use crate::helpers::{Browser, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    the_window_is_the_builders_or_the_handlers,
    accounts_without_credentials_pass,
    an_app_builds_its_own_session_page,
);

fn app(auth: &Auth) -> Router {
    let pay = async |RecentlyAuthenticated(user): RecentlyAuthenticated| user.username;
    let close = async |RecentlyAuthenticated(user): RecentlyAuthenticated<60>| user.username;
    let own = async |session: SessionInfo| {
        Json(json!({"me": session.user, "since": session.session.map(|one| one.created_at)}))
    };
    Router::new()
        .route("/pay", post(pay))
        .route("/close", post(close))
        .route("/me", get(own))
        .layer(auth.layer())
        .merge(auth.routes())
}

async fn post_to(browser: &Browser, path: &str) -> (u16, String) {
    let answer = browser.post(path, json!({})).await;
    let is_ok = answer.status == 200;
    let told = if is_ok {
        answer.text.clone()
    } else {
        answer.code()
    };
    if answer.status == 403 {
        assert_eq!(answer.json()["methods"], json!(["password"]));
    }
    (answer.status.as_u16(), told)
}

async fn the_window_is_the_builders_or_the_handlers(kind: Kind) {
    let settings = [("REAUTHENTICATION_WINDOW", "5m")];
    let server = Server::start_app(kind, &settings, |auth| app(&auth)).await;
    server.clock.stop();
    let browser = server.browser();
    for path in ["/pay", "/close"] {
        let visitor = browser.post(path, json!({})).await;
        assert_eq!(visitor.reason(), "no_cookie");
    }
    browser.sign_up("Ann").await;
    let passes = (200, "Ann".to_owned());
    let asked = (403, "reauthentication_required".to_owned());
    let at = async |seconds: u64| {
        server.clock.advance(Duration::from_secs(seconds));
        [
            post_to(&browser, "/pay").await,
            post_to(&browser, "/close").await,
        ]
    };
    assert_eq!(at(60).await, [passes.clone(), passes.clone()]);
    assert_eq!(at(1).await, [passes.clone(), asked.clone()]);
    assert_eq!(at(239).await, [passes.clone(), asked.clone()]);
    assert_eq!(at(1).await, [asked.clone(), asked.clone()]);
    assert_eq!(browser.reauthenticate(PASSWORD).await.status, 200);
    assert_eq!(at(60).await, [passes.clone(), passes.clone()]);
    assert_eq!(at(300).await, [asked.clone(), asked]);
}

async fn accounts_without_credentials_pass(kind: Kind) {
    let settings = [("PASSWORDLESS_LOGIN", "on")];
    let server = Server::start_app(kind, &settings, |auth| app(&auth)).await;
    server
        .accounts()
        .add(Application::new("Ann"))
        .await
        .unwrap();
    let browser = server.browser();
    browser.log_in_by_name("Ann").await;
    server.clock.advance(Duration::from_secs(24 * 60 * 60));
    for path in ["/pay", "/close"] {
        assert_eq!(post_to(&browser, path).await, (200, "Ann".to_owned()));
    }
}

async fn an_app_builds_its_own_session_page(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| app(&auth)).await;
    let browser = server.browser();
    let visitor = browser.get("/me").await;
    assert_eq!(visitor.json(), json!({"me": null, "since": null}));
    let user = browser.sign_up("Ann").await.json();
    let since = browser.session_info().await["session"]["created_at"].clone();
    let me = browser.get("/me").await.json();
    assert_eq!(me, json!({"me": user, "since": since}));
}
