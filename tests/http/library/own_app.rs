//! An app of somebody's own under the library's layers.

use std::time::Duration;

use axum::{
    Json, Router,
    http::{Method, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use handstamp::http::Layers;
use serde_json::json;

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    error_bodies_of_the_app_pass_untouched,
    an_empty_error_gets_a_problem,
    a_handler_that_takes_too_long_is_504_and_the_database_is_not_blamed,
    a_slow_login_is_504_too,
    the_limit_of_bodies_is_an_option,
    the_router_refuses_other_sites_but_those_it_allows,
    the_router_answers_for_everything_under_its_path,
);

async fn error_bodies_of_the_app_pass_untouched(kind: Kind) {
    let app = Router::new()
        .route(
            "/json",
            get(async || (StatusCode::FORBIDDEN, Json(json!({"no": 1})))),
        )
        .route("/text", get(async || (StatusCode::CONFLICT, "no")));
    let server = Server::start_app(kind, &[], |_| Layers::new().wrap(app).unwrap()).await;
    let browser = server.browser();
    let refused = browser.get("/json").await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.text),
        (403, r#"{"no":1}"#)
    );
    assert_eq!(refused.header("content-type"), Some("application/json"));
    let refused = browser.get("/text").await;
    assert_eq!((refused.status.as_u16(), &*refused.text), (409, "no"));
    // What a HEAD says of the body that it does not have stays true.
    let head = browser.send(browser.request(Method::HEAD, "/json")).await;
    assert_eq!(head.header("content-type"), Some("application/json"));
    assert_eq!(head.header("content-length"), Some("8"));
}

async fn an_empty_error_gets_a_problem(kind: Kind) {
    let empty = async || (StatusCode::FORBIDDEN, [(header::ALLOW, "GET")]).into_response();
    let app = Router::new().route("/empty", get(empty));
    let server = Server::start_app(kind, &[], |_| Layers::new().wrap(app).unwrap()).await;
    let refused = server.browser().get("/empty").await;
    assert_eq!(refused.code(), "forbidden");
    assert_eq!(refused.header("allow"), Some("GET"));
    assert_eq!(server.browser().get("/nothing").await.code(), "not_found");
}

async fn a_handler_that_takes_too_long_is_504_and_the_database_is_not_blamed(kind: Kind) {
    let app = Router::new().route("/slow", get(std::future::pending::<()>));
    let layers = Layers::new().time_limit(Some(Duration::from_millis(50)));
    let server = Server::start_app(kind, &[], |_| layers.wrap(app).unwrap()).await;
    let late = server.browser().get("/slow").await;
    assert_eq!((late.status.as_u16(), &*late.code()), (504, "timeout"));
    assert!(!late.text.contains("database"), "{}", late.text);
}

async fn a_slow_login_is_504_too(kind: Kind) {
    let layers = Layers::new().time_limit(Some(Duration::from_millis(1)));
    let server = Server::start_app(kind, &[], |auth| layers.wrap(auth.routes()).unwrap()).await;
    let body = json!({"username": "Ann", "password": "plain tea at dawn"});
    let late = server.browser().post("/login", body).await;
    assert_eq!((late.status.as_u16(), &*late.code()), (504, "timeout"));
}

async fn the_limit_of_bodies_is_an_option(kind: Kind) {
    let app = Router::new().route("/length", post(async |body: String| body.len().to_string()));
    let layers = Layers::new().body_limit(100_000);
    let server = Server::start_app(kind, &[], |_| layers.wrap(app).unwrap()).await;
    let browser = server.browser();
    let send = async |length| {
        let request = browser.request(Method::POST, "/length");
        browser.send(request.body("x".repeat(length))).await
    };
    assert_eq!(send(100_000).await.text, "100000");
    assert_eq!(send(100_001).await.status, 413);
}

async fn the_router_refuses_other_sites_but_those_it_allows(kind: Kind) {
    let nested = |auth: handstamp::Auth| Router::new().nest("/api/auth", auth.router());
    let server = Server::start_app(kind, &[("ALLOWED_ORIGINS", "https://app.example")], nested);
    let server = server.await;
    let browser = server.browser();
    let log_out = async |origin: Option<&str>| {
        let mut request = browser.request(Method::DELETE, "/api/auth/logout");
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
            request = request.header("sec-fetch-site", "cross-site");
        }
        browser.send(request).await
    };
    assert_eq!(
        log_out(Some("https://evil.example")).await.code(),
        "cross_site"
    );
    assert_eq!(log_out(None).await.status, 200);
    let allowed = log_out(Some("https://app.example")).await;
    assert_eq!(allowed.status, 200);
    let allows = allowed.header("access-control-allow-origin");
    assert_eq!(allows, Some("https://app.example"));

    // The layers around the app know whom it allows, whatever the router was told.
    let layers = Layers::new().allowed_origins(["https://evil.example".to_owned()]);
    let app = |auth: handstamp::Auth| layers.wrap(nested(auth)).unwrap();
    let server = Server::start_app(kind, &[], app).await;
    let browser = server.browser();
    let request = browser.request(Method::DELETE, "/api/auth/logout");
    let request = request.header(header::ORIGIN, "https://evil.example");
    let allowed = browser.send(request.header("sec-fetch-site", "cross-site"));
    assert_eq!(allowed.await.status, 200);
}

async fn the_router_answers_for_everything_under_its_path(kind: Kind) {
    let app = |auth: handstamp::Auth| {
        let own = Router::new().fallback(async || (StatusCode::NOT_FOUND, "the app's"));
        own.nest("/api/auth", auth.router())
    };
    let server = Server::start_app(kind, &[], app).await;
    let browser = server.browser();
    assert_eq!(browser.get("/nothing").await.text, "the app's");
    for path in ["/api/auth/nothing", "/api/auth/nothing/"] {
        assert_eq!(browser.get(path).await.code(), "not_found", "{path}");
    }
    let wrong = browser.get("/api/auth/logout").await;
    assert_eq!(wrong.code(), "method_not_allowed");
    assert!(
        wrong
            .header("allow")
            .is_some_and(|methods| methods.contains("DELETE"))
    );
    for path in ["/api/auth/checklogin", "/api/auth/checklogin/"] {
        assert_eq!(browser.get(path).await.reason(), "no_cookie", "{path}");
    }
    let request = browser.request(Method::POST, "/api/auth/login/");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let large = browser.send(request.body(" ".repeat(64 * 1024 + 1))).await;
    assert_eq!(large.status, 413);
}
