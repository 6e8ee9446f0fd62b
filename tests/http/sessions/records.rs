//! Session records: corrupt ones, and ones that would grow too large.

use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use handstamp::{
    auth::{Auth, Session},
    http::Error,
};
use serde_json::json;

use crate::helpers::{Browser, Database, Kind, PASSWORD, Server, Workplace, on_both_databases};

on_both_databases!(
    a_corrupt_record_counts_as_empty,
    a_record_is_saved_in_its_own_row,
    a_corrupt_record_is_logged,
    values_past_the_limit_are_refused,
    a_handler_can_answer_a_refusal_itself,
);

/// Handlers that keep values, short and long.
fn values(auth: &Auth) -> Router {
    let get_value = async |session: Session, Path(key): Path<String>| {
        let value: Option<String> = session.get(&key).await?;
        Ok::<_, Error>(Json(json!(value.map(|value| value.len()))))
    };
    let insert = async |session: Session, Path((key, length)): Path<(String, usize)>| {
        Ok::<_, Error>(session.insert(&key, "x".repeat(length)).await?)
    };
    let remove = async |session: Session, Path(key): Path<String>| {
        session.remove::<String>(&key).await?;
        Ok::<_, Error>(())
    };
    let try_to_insert = async |session: Session, Path(length): Path<usize>| {
        session.insert("tried", "x".repeat(length)).await?;
        if session.save().await.is_err() {
            session.remove::<String>("tried").await?;
            return Ok(StatusCode::INSUFFICIENT_STORAGE);
        }
        Ok::<_, Error>(StatusCode::OK)
    };
    let routes = Router::new()
        .route("/get/{key}", get(get_value))
        .route("/insert/{key}/{length}", get(insert))
        .route("/remove/{key}", get(remove))
        .route("/try/{length}", get(try_to_insert));
    routes.layer(auth.layer()).merge(auth.router())
}

async fn corrupt(kind: Kind, database: &Database, hex: &str) {
    let bytes = match kind {
        Kind::Sqlite => format!("x'{hex}'"),
        Kind::Postgres | Kind::PgBouncer => format!("'\\x{hex}'"),
    };
    let sql = format!("update sessions set data = {bytes}");
    database.execute(&sql).await;
}

async fn a_corrupt_record_counts_as_empty(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| values(&auth)).await;
    let browser = server.browser();
    let user = browser.sign_up("Ann").await.json();
    let (mut password, mut next) = (PASSWORD.to_owned(), "black coffee by noon".to_owned());
    // Nothing, a byte that MessagePack never uses, words, the head of a map of 4 billion.
    for garbage in ["", "c1c1c1", "67617262616765", "93dfffffffff"] {
        let corrupt = async || corrupt(kind, &server.database, garbage).await;
        browser.get("/insert/a/3").await;
        corrupt().await;
        assert_eq!(browser.check().await.json(), user, "{garbage}");
        assert_eq!(browser.get("/get/a").await.json(), json!(null));
        let username = browser.get("/get/username").await;
        assert_eq!(username.json(), "Ann".len(), "{garbage}: who is logged in");

        corrupt().await;
        assert_eq!(browser.get("/insert/b/2").await.status, 200, "{garbage}");
        assert_eq!(browser.get("/get/b").await.json(), 2);
        assert_eq!(browser.get("/get/username").await.json(), "Ann".len());
        assert_eq!(browser.check().await.json(), user);

        corrupt().await;
        let body = json!({"current_password": password, "new_password": next});
        assert_eq!(browser.post("/password", body).await.status, 204);
        (password, next) = (next, password);
        assert_eq!(browser.check().await.json(), user, "{garbage}");
        assert_eq!(browser.get("/get/username").await.json(), "Ann".len());

        corrupt().await;
        let answer = browser.log_in_with("Ann", &password).await;
        assert_eq!(answer.status, 200, "{garbage}");
        assert_eq!(browser.get("/get/b").await.json(), json!(null));
        assert_eq!(server.database.count("sessions").await, 1);

        corrupt().await;
        assert_eq!(browser.log_out().await.status, 200, "{garbage}");
        assert_eq!(server.database.count("sessions").await, 0);
        assert_eq!(browser.log_in_with("Ann", &password).await.status, 200);
    }
    // A visitor's likewise.
    let visitor = server.browser();
    visitor.get("/insert/a/3").await;
    corrupt(kind, &server.database, "c1").await;
    assert_eq!(visitor.get("/get/a").await.json(), json!(null));
    assert_eq!(visitor.get("/insert/a/4").await.status, 200);
    assert_eq!(visitor.get("/get/a").await.json(), 4);
}

async fn a_record_is_saved_in_its_own_row(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| values(&auth)).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    ben.get("/insert/whose/3").await;
    let sql = "update sessions set data = (select other.data from sessions other
                   where other.user_id <> sessions.user_id)
               where user_id = (select id from users where username = 'Ann')";
    server.database.execute(sql).await;
    assert_eq!(ann.get("/insert/whose/1").await.status, 200);
    assert_eq!(ann.get("/get/whose").await.json(), 1);
    assert_eq!(ben.get("/get/whose").await.json(), 3);
}

async fn a_corrupt_record_is_logged(kind: Kind) {
    let key = handstamp::auth::generate_secret_key();
    let database = Database::new(kind).await;
    let workplace = Workplace::new(&[("SECRET_KEY", &key), ("DATABASE_URL", &database.url)]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let secret_id = database.text("select id from sessions").await.unwrap();
    corrupt(kind, &database, "c1").await;
    assert_eq!(browser.log_in("Ann").await.status, 200);
    process.wait_for_log("record is corrupt");
    assert!(!process.logs().contains(&secret_id));
}

async fn insert(browser: &Browser, key: &str, length: usize) -> u16 {
    let path = format!("/insert/{key}/{length}");
    browser.get(&path).await.status.as_u16()
}

async fn values_past_the_limit_are_refused(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| values(&auth)).await;
    let browser = server.browser();
    let answer = browser.get("/insert/a/70000").await;
    assert_eq!((answer.status.as_u16(), answer.set_session()), (500, None));
    assert_eq!(answer.code(), "session_values");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("65536"), "{detail}");
    assert_eq!(server.database.count("sessions").await, 0);

    // Forty-one writes; no more than fit are saved.
    let statuses: Vec<u16> = {
        let mut statuses = Vec::new();
        for number in 0..41 {
            statuses.push(insert(&browser, &format!("k{number}"), 20_000).await);
        }
        statuses
    };
    assert_eq!(&statuses[..4], [200, 200, 200, 500]);
    assert!(statuses[3..].iter().all(|status| *status == 500));
    let is_small = "sessions where length(data) <= 65536";
    assert_eq!(server.database.count(is_small).await, 1);
    assert_eq!(browser.get("/get/k2").await.json(), 20_000);
    assert_eq!(browser.get("/get/k3").await.json(), json!(null));

    // What fits is saved, and room can be made.
    assert_eq!(insert(&browser, "small", 5_000).await, 200);
    assert_eq!(browser.get("/remove/k0").await.status, 200);
    assert_eq!(insert(&browser, "k3", 20_000).await, 200);

    // Two at once that fit one by one, but not together.
    assert_eq!(browser.get("/remove/k1").await.status, 200);
    let (one, other) = (browser.clone(), browser.clone());
    let both = tokio::join!(
        tokio::spawn(async move { insert(&one, "one", 19_000).await }),
        tokio::spawn(async move { insert(&other, "other", 19_000).await }),
    );
    let mut both = [both.0.unwrap(), both.1.unwrap()];
    both.sort_unstable();
    assert_eq!(both, [200, 500]);

    // A full record moves along with a login, which adds to it, and can still be emptied.
    let room = 65_536 - server.database.only_record_length().await;
    assert_eq!(insert(&browser, "full", room - 20).await, 200);
    assert_eq!(browser.sign_up("Ann").await.status, 201);
    browser.log_out().await;
    let browser = server.browser();
    for number in 0..3 {
        insert(&browser, &format!("k{number}"), 20_000).await;
    }
    let room = 65_536 - server.database.only_record_length().await;
    assert_eq!(insert(&browser, "full", room - 20).await, 200);
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert_eq!(browser.get("/get/k2").await.json(), 20_000);
    assert_eq!(insert(&browser, "more", 1).await, 500);
    assert_eq!(browser.get("/remove/k2").await.status, 200);
    assert_eq!(insert(&browser, "more", 1).await, 200);
}

async fn a_handler_can_answer_a_refusal_itself(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| values(&auth)).await;
    let browser = server.browser();
    assert_eq!(insert(&browser, "a", 10).await, 200);
    assert_eq!(browser.get("/try/70000").await.status, 507);
    assert_eq!(browser.get("/get/tried").await.json(), json!(null));
    assert_eq!(browser.get("/try/100").await.status, 200);
    assert_eq!(browser.get("/get/tried").await.json(), 100);
    assert_eq!(browser.get("/get/a").await.json(), 10);
}
