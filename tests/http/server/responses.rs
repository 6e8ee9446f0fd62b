//! Snapshots of whole responses, the same on both databases.

use std::time::Duration;

use futures_util::future::join_all;
use insta::assert_json_snapshot;
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, EventStream, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    session_answers,
    account_answers,
    news_answers,
    problem_answers,
    operator_answers
);

const SHOWN_HEADERS: [&str; 6] = [
    "allow",
    "cache-control",
    "content-type",
    "location",
    "retry-after",
    "set-cookie",
];

/// The response without what differs from run to run.
fn shown(answer: &Answer) -> Value {
    let headers = SHOWN_HEADERS.iter().filter_map(|name| {
        let value = answer.header(name)?;
        let value = match (*name, value.split_once(';')) {
            ("set-cookie", Some((pair, attributes))) if pair != "session=" => {
                format!("session=[signed id];{attributes}")
            }
            _ => value.to_owned(),
        };
        Some(((*name).to_owned(), Value::from(value)))
    });
    let mut body = serde_json::from_str(&answer.text).unwrap_or(Value::from(&*answer.text));
    redact(&mut body);
    json!({
        "status": answer.status.as_u16(),
        "headers": headers.collect::<serde_json::Map<_, _>>(),
        "body": body,
    })
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "id" => *value = "[id]".into(),
                    "created_at" | "last_seen_at" | "authenticated_at" | "expires_at"
                    | "required_after" => *value = "[time]".into(),
                    _ => redact(value),
                }
            }
        }
        _ => {}
    }
}

macro_rules! snapshot {
    ($name:literal, $answer:expr) => {
        assert_json_snapshot!($name, shown(&$answer))
    };
}

async fn session_answers(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let ann = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    snapshot!("signup_201", browser.post("/signup", ann.clone()).await);
    snapshot!("signup_409_username", browser.post("/signup", ann).await);
    let email = json!({"username": "Ben", "email": "ANN@example.com", "password": PASSWORD});
    snapshot!("signup_409_email", browser.post("/signup", email).await);
    let weak = json!({"username": "!", "email": "?", "password": "password1234"});
    snapshot!("signup_422", browser.post("/signup", weak).await);
    snapshot!("checklogin_200", browser.check().await);
    snapshot!("session_200", browser.get("/session").await);
    snapshot!("login_page_303", browser.get("/login").await);
    let session = browser.session().unwrap();
    snapshot!("logout_200", browser.log_out().await);
    snapshot!("logout_200_again", browser.log_out().await);

    snapshot!("checklogin_401_no_cookie", browser.check().await);
    snapshot!("session_200_nobody", browser.get("/session").await);
    let cookie = format!("session={session}");
    snapshot!(
        "checklogin_401_unknown_session",
        browser.check_with(&cookie).await
    );
    snapshot!(
        "checklogin_401_bad_signature",
        browser.check_with("session=forged").await
    );
    let twice = format!("{cookie}; {cookie}");
    snapshot!(
        "checklogin_401_sent_twice",
        browser.check_with(&twice).await
    );
    snapshot!("session_events_401", browser.get("/session/events").await);
    snapshot!(
        "session_events_204",
        browser.get_with("/session/events", &cookie).await
    );

    snapshot!("login_400", browser.log_in_with("Ann", "wrong").await);
    snapshot!("login_200", browser.log_in("Ann").await);
    let streams = (0..8).map(|_| EventStream::open(&browser));
    let _open = join_all(streams).await;
    snapshot!("session_events_429", browser.get("/session/events").await);
    server
        .database
        .execute("update users set disabled_at = created_at")
        .await;
    snapshot!("checklogin_401_user_gone", browser.check().await);
    server.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    snapshot!("checklogin_401_expired", browser.check().await);
}

async fn account_answers(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    snapshot!("sessions_401", browser.get("/sessions").await);
    browser.sign_up("Ann").await;
    snapshot!("sessions_200", browser.get("/sessions").await);
    snapshot!(
        "end_session_404",
        browser.delete("/sessions/nonsense").await
    );
    snapshot!("end_other_sessions_204", browser.delete("/sessions").await);
    let wrong = json!({"current_password": "wrong", "new_password": "black coffee by noon"});
    snapshot!("password_400", browser.post("/password", wrong).await);
    let weak = json!({"current_password": PASSWORD, "new_password": "short"});
    snapshot!("password_422", browser.post("/password", weak).await);
    let right = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    snapshot!("password_204", browser.post("/password", right).await);
    let id = browser.get("/sessions").await.json()["sessions"][0]["id"].clone();
    let path = format!("/sessions/{}", id.as_str().unwrap());
    server.clock.advance(Duration::from_secs(11 * 60));
    let other = "/sessions/00000000-0000-0000-0000-000000000000";
    snapshot!("end_session_403", browser.delete(other).await);
    snapshot!("end_other_sessions_403", browser.delete("/sessions").await);
    snapshot!("reauthenticate_400", browser.reauthenticate("wrong").await);
    snapshot!("reauthenticate_422", browser.reauthenticate("").await);
    let proof = browser.reauthenticate("black coffee by noon").await;
    snapshot!("reauthenticate_200", proof);
    snapshot!("end_session_204", browser.delete(&path).await);
    snapshot!(
        "reauthenticate_401",
        browser.reauthenticate("black coffee by noon").await
    );
}

async fn news_answers(kind: Kind) {
    let server = Server::start_with(kind, &[("FREE_READS", "1")]).await;
    let (ann, ben, visitor) = (server.browser(), server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let draft = json!({"title": "Sessions", "url": "https://example.com", "text": "Signed."});
    let post = ann.post("/posts", draft).await;
    snapshot!("add_post_201", post);
    let path = format!("/posts/{}", post.json()["id"].as_str().unwrap());
    snapshot!(
        "add_post_401",
        visitor.post("/posts", json!({"title": "t"})).await
    );
    let bad = json!({"title": "", "url": "javascript:alert(1)"});
    snapshot!("add_post_422", ann.post("/posts", bad).await);
    let comments = format!("{path}/comments");
    let comment = ben.post(&comments, json!({"text": "Well said."})).await;
    snapshot!("add_comment_201", comment);
    let comment = format!("{comments}/{}", comment.json()["id"].as_str().unwrap());
    let send = async |browser: &Browser, method, path: &str, body| {
        browser
            .send(browser.request(method, path).json(&body))
            .await
    };
    let vote = format!("{path}/vote");
    snapshot!(
        "vote_200",
        send(&ben, Method::PUT, &vote, Value::Null).await
    );
    snapshot!("posts_200", ben.get("/posts").await);
    snapshot!("posts_401_me", visitor.get("/posts?author=me").await);
    snapshot!("posts_422", visitor.get("/posts?limit=0&after=x").await);
    snapshot!("post_200_visitor", visitor.get(&path).await);
    snapshot!("post_200_logged_in", ann.get(&path).await);
    let second = ann.post("/posts", json!({"title": "Second"})).await.json();
    let second = format!("/posts/{}", second["id"].as_str().unwrap());
    snapshot!("post_402", visitor.get(&second).await);
    snapshot!("post_404", visitor.get("/posts/nonsense").await);
    let title = json!({"title": "Changed"});
    snapshot!(
        "change_post_200",
        send(&ann, Method::PATCH, &path, title.clone()).await
    );
    snapshot!(
        "change_post_403",
        send(&ben, Method::PATCH, &path, title).await
    );
    snapshot!("take_vote_back_200", ben.delete(&vote).await);
    snapshot!("delete_comment_403", ann.delete(&comment).await);
    snapshot!("delete_comment_204", ben.delete(&comment).await);
    snapshot!("delete_post_204", ann.delete(&path).await);
}

async fn problem_answers(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let post = async |content_type: &str, body: String| {
        let request = browser
            .request(Method::POST, "/login")
            .header("content-type", content_type);
        browser.send(request.body(body)).await
    };
    snapshot!(
        "problem_400_malformed_json",
        post("application/json", "{".into()).await
    );
    snapshot!(
        "problem_413",
        post("application/json", "x".repeat(65 * 1024)).await
    );
    snapshot!("problem_415", post("text/plain", "{}".into()).await);
    snapshot!(
        "problem_422_wrong_type",
        post("application/json", "{\"username\":1}".into()).await
    );
    snapshot!("problem_404", browser.get("/nowhere").await);
    snapshot!(
        "problem_405",
        browser.send(browser.request(Method::GET, "/logout")).await
    );
    let request = browser
        .request(Method::DELETE, "/logout")
        .header("origin", "https://evil.example");
    snapshot!("problem_403_cross_site", browser.send(request).await);
}

async fn operator_answers(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    snapshot!("healthz_200", browser.get("/healthz").await);
    snapshot!("readyz_200", browser.get("/readyz/").await);
    server.health.shut_down();
    snapshot!("readyz_503", browser.get("/readyz").await);
    snapshot!("healthz_200", browser.get("/healthz").await);
}
