//! Device-bound sessions in an app of one's own.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use handstamp::{
    Auth, Db, Error,
    auth::{Application, RequestSession, Secret, Session},
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::helpers::{
    Bound, Browser, DEVICE_BOUND, Database, Kind, Offer, Server, on_both_databases,
};

on_both_databases!(values_are_the_devices);

/// A route for each thing a handler does with values, beside the routes of the library.
fn app(auth: Auth) -> Router {
    let get_value = async |session: Session, Path(key): Path<String>| {
        Ok::<_, Error>(Json(session.get_value(&key).await?))
    };
    let insert = async |session: Session, Path((key, value)): Path<(String, String)>| {
        Ok::<_, Error>(session.insert(&key, value).await?)
    };
    let flush = async |session: Session| Ok::<_, Error>(session.flush().await?);
    // Neither reads what is there.
    let clear = async |session: Session| session.clear().await;
    let clear_and_save = async |session: Session| {
        session.clear().await;
        Ok::<_, Error>(session.save().await?)
    };
    Router::new()
        .route("/get/{key}", get(get_value))
        .route("/insert/{key}/{value}", get(insert))
        .route("/flush", get(flush))
        .route("/clear", get(clear))
        .route("/clear-and-save", get(clear_and_save))
        .layer(auth.layer())
        .merge(auth.routes())
}

async fn values_are_the_devices(kind: Kind) {
    let server = Server::start_app(kind, &[DEVICE_BOUND], app).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    let browser = server.browser();
    let own = bound.browser.get("/insert/a/own").await;
    assert_eq!(own.status, 200, "{own:?}");
    server.clock.advance(Duration::from_secs(11 * 60));
    let copied = bound.copied();
    let rows = server.database.count("sessions").await;
    for path in ["/get/a", "/insert/a/stolen", "/get/a", "/flush"] {
        let answer = browser.get_with(path, &copied).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.text.contains("own"), "{path}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None, "{path}: {answer:?}");
    }
    for path in ["/clear", "/clear-and-save"] {
        for is_cached in [true, false] {
            if !is_cached {
                browser
                    .send_with(reqwest::Method::DELETE, "/logout", &copied)
                    .await;
            }
            let answer = browser.get_with(path, &copied).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            assert_eq!(answer.header("set-cookie"), None, "{path}: {answer:?}");
        }
    }
    assert_eq!(server.database.count("sessions").await, rows);
    bound.refresh().await;
    let own = browser.get_with("/get/a", &bound.cookies()).await;
    assert_eq!(own.json(), Value::from("own"));
    // With the proof, the session is the owner's to flush.
    browser.get_with("/flush", &bound.cookies()).await;
    let check = browser.check_with(&bound.cookies()).await;
    assert_eq!(check.reason(), "unknown_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_the_apps_own_offers_it_where_the_router_is_said_to_be() {
    let database = Database::new(Kind::Sqlite).await;
    let db = Db::connect(&database.url.parse().unwrap()).await.unwrap();
    db.migrate().await.unwrap();
    let key = Secret::signing_key("a key of the tests, long enough and no other's").unwrap();
    let auth = Auth::builder(db)
        .secret_key(key)
        .secure_cookies(false)
        .device_bound_sessions(true)
        .device_proof_lifetime(Duration::from_secs(600))
        .mounted_at("/api/auth")
        .build()
        .unwrap();
    let ann = auth.accounts().add(Application::new("Ann")).await.unwrap();
    let enter = async move |State(auth): State<Auth>, session: RequestSession| {
        auth.log_in(&session, &ann).await
    };
    let app = Router::new()
        .route("/deep/in/the/app", post(enter))
        .with_state(auth.clone())
        .layer(auth.layer())
        .nest("/api/auth", auth.router());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let browser = Browser::new(&format!("http://{}", listener.local_addr().unwrap()));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    let entered = browser.post("/deep/in/the/app", Value::Null).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    let offer = Offer::of(&entered).unwrap();
    assert_eq!(offer.path, "/api/auth/device/register");
    served.abort();
}
