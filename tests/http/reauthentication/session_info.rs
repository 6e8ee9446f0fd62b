//! `GET /session`.

use std::time::Duration;

use handstamp::clock::Timestamp;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(
    it_says_who_is_logged_in_and_since_when,
    everybody_gets_it_with_the_reason_of_checklogin,
    it_is_a_use_of_the_session,
    it_comes_from_the_cache,
    a_database_that_is_away_logs_nobody_out,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

fn date(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

async fn it_says_who_is_logged_in_and_since_when(kind: Kind) {
    let settings = [
        ("SESSION_IDLE_TIMEOUT", "2h"),
        ("REAUTHENTICATION_WINDOW", "7m"),
    ];
    let server = Server::start_with(kind, &settings).await;
    server.clock.stop();
    let browser = server.browser();
    let user = browser.sign_up("Ann").await.json();
    let answer = browser.get("/session").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("set-cookie"), None);

    let listed = browser.get("/sessions").await.json()["sessions"][0].clone();
    let login = date(&listed["created_at"]);
    let at = |moment: OffsetDateTime| json!(Timestamp::from(moment));
    let session = json!({
        "id": listed["id"],
        "created_at": listed["created_at"],
        "authenticated_at": listed["created_at"],
        "expires_at": at(login + 2 * HOUR),
    });
    let reauthentication = json!({
        "required_after": at(login + Duration::from_secs(7 * 60)),
        "methods": ["password"],
    });
    let info = json!({
        "user": user,
        "session": session,
        "reauthentication": reauthentication,
        "reason": null,
    });
    assert_eq!(answer.json(), info);
    assert_eq!(browser.get("/session/").await.json(), info);
}

async fn everybody_gets_it_with_the_reason_of_checklogin(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let post = browser.post("/posts", json!({"title": "A title"})).await;
    let post = format!("/posts/{}", post.json()["id"].as_str().unwrap());
    let live = format!("session={}", browser.session().unwrap());
    let visitor = server.browser();
    assert_eq!(visitor.get(&post).await.status, 200);
    let visitors = format!("session={}", visitor.session().unwrap());
    let ended = server.browser();
    ended.log_in("Ann").await;
    let unknown = format!("session={}", ended.session().unwrap());
    ended.log_out().await;

    let nobody = async |cookie: &str, expected: &str| {
        let answer = browser.get_with("/session", cookie).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("set-cookie"), None);
        let nobody = json!({
            "user": null,
            "session": null,
            "reauthentication": null,
            "reason": expected,
        });
        assert_eq!(answer.json(), nobody);
        let reason = browser.check_with(cookie).await.reason();
        assert_eq!(reason, expected, "as /checklogin");
    };
    nobody("other=1", "no_cookie").await;
    nobody("session=forged", "bad_signature").await;
    nobody(&format!("{live}; {live}"), "bad_signature").await;
    nobody(&unknown, "unknown_session").await;
    nobody(&visitors, "unknown_session").await;
    let disable = "update users set disabled_at = created_at";
    server.database.execute(disable).await;
    browser.check_until(401).await;
    nobody(&live, "user_gone").await;
    server.clock.advance(31 * 24 * HOUR);
    nobody(&live, "expired").await;
}

async fn it_is_a_use_of_the_session(kind: Kind) {
    let server = Server::start_with(kind, &[("SESSION_IDLE_TIMEOUT", "1h")]).await;
    let (browser, unused) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    unused.log_in("Ann").await;
    let mut expires_at = date(&browser.session_info().await["session"]["expires_at"]);
    for _ in 0..3 {
        server.clock.advance(HOUR * 3 / 4);
        let later = date(&browser.session_info().await["session"]["expires_at"]);
        assert!(later > expires_at);
        expires_at = later;
    }
    assert_eq!(unused.session_info().await["reason"], "expired");
}

async fn it_comes_from_the_cache(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    browser.check().await;
    let hits = || server.auth.statistics().session_cache_hits;
    let before = hits();
    for _ in 0..500 {
        assert_eq!(browser.session_info().await["reason"], Value::Null);
        // A busy machine reads again what it has not heard of for long.
        if hits() - before >= 10 {
            return;
        }
    }
    panic!("{} hits", hits() - before);
}

async fn a_database_that_is_away_logs_nobody_out(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let away = "alter table sessions rename to away";
    server.database.execute(away).await;
    let answer = browser.get("/session").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.code(), "unavailable");
    assert_eq!(answer.header("set-cookie"), None);
    let back = "alter table away rename to sessions";
    server.database.execute(back).await;
    assert_eq!(browser.session_info().await["user"]["username"], "Ann");
}
