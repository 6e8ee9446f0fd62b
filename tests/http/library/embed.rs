//! The example app, and an app that keeps values in the session.

#[path = "../../../examples/embed.rs"]
#[allow(dead_code)]
mod example;

pub use example::app;

use axum::{Json, Router, extract::Path, routing::get};
use handstamp::{
    auth::{Auth, Session},
    http::Error,
};
use serde_json::json;

use crate::helpers::{Database, Kind, Server, on_both_databases};

on_both_databases!(
    the_example_counts_views_and_knows_who_asks,
    the_session_keeps_values,
    a_flushed_id_is_used_no_more,
    a_failed_handler_saves_nothing,
);

async fn the_example_counts_views_and_knows_who_asks(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| app(&auth)).await;
    let browser = server.browser();
    assert_eq!(browser.get("/secret").await.reason(), "no_cookie");
    assert_eq!(
        server.database.count("sessions").await,
        0,
        "asking makes no row"
    );

    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 1.");
    let answer = browser.get("/").await;
    assert_eq!(answer.text, "Hello stranger, page view 2.");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.set_session(), None, "the first cookie is whole");
    assert_eq!(server.database.count("sessions").await, 1);
    assert_eq!(browser.get("/secret").await.reason(), "unknown_session");

    browser.sign_up("Ann").await;
    assert_eq!(
        browser.get("/secret").await.text,
        "The secret is safe with Ann."
    );
    assert_eq!(
        browser.get("/").await.text,
        "Hello Ann, page view 1.",
        "sign-up clears"
    );
    browser.log_out().await;
    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 1.");
}

/// A route for each thing a handler does with values.
fn dict(auth: &Auth) -> Router {
    let get_value = async |session: Session, Path(key): Path<String>| {
        Ok::<_, Error>(Json(session.get_value(&key).await?))
    };
    let insert = async |session: Session, Path((key, value)): Path<(String, String)>| {
        Ok::<_, Error>(session.insert(&key, value).await?)
    };
    let remove = async |session: Session, Path(key): Path<String>| {
        Ok::<_, Error>(Json(session.remove::<String>(&key).await?))
    };
    let routes = Router::new()
        .route("/get/{key}", get(get_value))
        .route("/insert/{key}/{value}", get(insert))
        .route("/remove/{key}", get(remove))
        .route(
            "/clear",
            get(async |session: Session| session.clear().await),
        )
        .route(
            "/flush",
            get(async |session: Session| Ok::<_, Error>(session.flush().await?)),
        )
        .route(
            "/flush-and-insert",
            get(async |session: Session| {
                session.flush().await?;
                Ok::<_, Error>(session.insert("a", "new").await?)
            }),
        )
        .route(
            "/fail",
            get(async |session: Session| {
                session.insert("failed", true).await?;
                Err::<(), Error>(Error::internal("a test"))
            }),
        );
    routes.layer(auth.layer()).merge(auth.router())
}

async fn the_session_keeps_values(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| dict(&auth)).await;
    let browser = server.browser();
    for path in ["/get/a", "/remove/a", "/clear", "/flush"] {
        assert_eq!(browser.get(path).await.status, 200, "{path}");
    }
    assert_eq!(
        server.database.count("sessions").await,
        0,
        "nothing kept, no row"
    );

    let user = browser.sign_up("Ann").await.json();
    browser.get("/insert/a/one").await;
    browser.get("/insert/b/two").await;
    assert_eq!(browser.get("/get/a").await.json(), "one");
    assert_eq!(browser.get("/remove/a").await.json(), "one");
    assert_eq!(browser.get("/get/a").await.json(), json!(null));
    assert_eq!(browser.get("/get/user_id").await.json(), user["id"]);
    assert_eq!(browser.get("/get/logged_in").await.json(), true);

    // A handler can clear its own values, but not those of the login.
    browser.get("/insert/user_id/somebody").await;
    browser.get("/clear").await;
    assert_eq!(browser.get("/get/b").await.json(), json!(null));
    assert_eq!(browser.get("/get/user_id").await.json(), user["id"]);
    assert_eq!(browser.check().await.json(), user);

    assert_eq!(browser.get("/flush").await.status, 200);
    assert_eq!(browser.session(), None);
    assert_eq!(server.database.count("sessions").await, 0);
}

async fn a_failed_handler_saves_nothing(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| dict(&auth)).await;
    let browser = server.browser();
    assert_eq!(browser.get("/fail").await.status, 500);
    assert_eq!(browser.session(), None);
    browser.get("/insert/a/one").await;
    assert_eq!(browser.get("/fail").await.status, 500);
    assert_eq!(browser.get("/get/failed").await.json(), json!(null));
}

async fn a_flushed_id_is_used_no_more(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| dict(&auth)).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let old = browser.session().unwrap();
    assert_eq!(browser.get("/flush-and-insert").await.status, 200);
    assert_ne!(browser.session().unwrap(), old);
    let answer = browser.get("/get/a").await;
    assert_eq!((answer.json(), answer.set_session()), (json!("new"), None));
    let answer = browser.get_with("/get/a", &format!("session={old}")).await;
    assert_eq!(answer.json(), json!(null));
    assert_eq!(
        browser.check_with(&format!("session={old}")).await.reason(),
        "unknown_session"
    );
}

/// Sessions are read from whatever schema the tables are in.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_name() {
    let database = Database::new(Kind::Postgres).await;
    database.execute("create schema news").await;
    let url = format!("{}&options=-csearch_path%3Dnews", database.url);
    let server = Server::start_app_on(Database::at(&url), &[], |auth| app(&auth)).await;
    let browser = server.browser();
    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 1.");
    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 2.");
    assert_eq!(database.count("news.sessions").await, 1);
}
