//! A stream of events: what it says while its session lives, and who gets one.

use std::time::Duration;

use futures_util::future::join_all;
use handstamp::auth::generate_secret_key;
use reqwest::Method;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::ends::log_in;
use crate::{
    helpers::{
        Browser, Database, EventStream, Kind, PASSWORD, Server, UNTIL_THERE_IS_ROOM, Workplace,
        find_user, on_both_databases,
    },
    sessions::freshness::{ROUNDS, change_without_revocation},
};

on_both_databases!(
    a_stream_is_neither_stored_nor_held_back,
    changes_of_the_user_arrive,
    the_own_stream_stays_open_through_a_password_change,
    whoever_is_not_logged_in_gets_none,
    a_session_has_eight_and_a_closed_one_makes_room,
    the_process_has_a_limit_that_leaves_room_for_requests,
    a_stream_outlives_every_limit_of_a_request,
    what_concerns_others_reads_nothing,
    a_database_that_does_not_respond_ends_nothing,
);

async fn a_stream_is_neither_stored_nor_held_back(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let request = browser.request(Method::GET, "/session/events");
    let request = request.header("accept-encoding", "gzip, br, zstd");
    let stream = EventStream::of(request).await;
    for (name, value) in [
        ("content-type", Some("text/event-stream")),
        ("cache-control", Some("no-store")),
        ("x-accel-buffering", Some("no")),
        ("content-encoding", None),
        ("set-cookie", None),
    ] {
        let header = stream.headers().get(name);
        assert_eq!(header.map(|value| value.to_str().unwrap()), value, "{name}");
    }
    drop(stream);

    let response = browser.request(Method::GET, "/session/events/").send();
    let first = response.await.unwrap().chunk().await.unwrap().unwrap();
    let first = std::str::from_utf8(&first).unwrap();
    let retry = first.lines().find_map(|line| line.strip_prefix("retry: "));
    let retry: u64 = retry.unwrap().parse().unwrap();
    assert!((500..2_000).contains(&retry), "{first}");
    let head = browser.request(Method::HEAD, "/session/events");
    let head = browser.send(head).await;
    assert_eq!((head.status.as_u16(), &*head.text), (200, ""));
}

async fn changes_of_the_user_arrive(kind: Kind) {
    let server = Server::start(kind).await;
    let other = Server::start_on(Database::at(&server.database.url), &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for (round, accounts) in [server.accounts(), other.accounts()]
        .into_iter()
        .enumerate()
    {
        let mut streams = [
            EventStream::open(&browser).await,
            EventStream::open(&browser).await,
        ];
        let ann = find_user(accounts, "Ann").await;
        let email = format!("ann{round}@example.com");
        accounts.change_email(&ann, Some(&email)).await.unwrap();
        for stream in &mut streams {
            stream.changed().await;
            assert_eq!(browser.check().await.json()["email"], email);
        }
        accounts.change_username(&ann, "ANN").await.unwrap();
        for stream in &mut streams {
            stream.changed().await;
        }
        assert_eq!(browser.check().await.json()["username"], "ANN");
        accounts.change_username(&ann, "Ann").await.unwrap();
        accounts.change_email(&ann, None).await.unwrap();
    }
}

async fn the_own_stream_stays_open_through_a_password_change(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let old_cookie = format!("session={}", browser.session().unwrap());
    let mut own = EventStream::open(&browser).await;
    let other = log_in(&server.browser(), PASSWORD).await;
    let others = EventStream::open_with(&browser, &other).await;
    let body = json!({"current_password": PASSWORD, "new_password": "black coffee by noon"});
    assert_eq!(browser.post("/password", body).await.status, 204);
    assert_eq!(others.reason().await, "password_changed");

    // It says nothing of the new id, and hears what comes after it.
    let ann = find_user(server.accounts(), "Ann").await;
    server.accounts().change_email(&ann, None).await.unwrap();
    own.changed().await;
    let old = browser.get_with("/session/events", &old_cookie).await;
    assert_eq!(old.status, 204, "{old:?}");
    browser.log_out().await;
    assert_eq!(own.reason().await, "logged_out");
}

async fn whoever_is_not_logged_in_gets_none(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let events = async |cookie: &str| browser.get_with("/session/events", cookie).await;
    assert_eq!(browser.get("/session/events").await.reason(), "no_cookie");
    assert_eq!(events("session=forged").await.reason(), "bad_signature");
    let twice = events("session=one; session=two").await;
    assert_eq!(twice.reason(), "bad_signature");

    browser.sign_up("Ann").await;
    let post = json!({"title": "Tea", "text": "at dawn"});
    let post = browser.post("/posts", post).await.json();
    let visitor = server.browser();
    let path = format!("/posts/{}", post["id"].as_str().unwrap());
    assert_eq!(visitor.get(&path).await.status, 200);
    assert!(visitor.session().is_some());
    let visitors = visitor.get("/session/events").await;
    assert_eq!(visitors.reason(), "unknown_session");

    let cookie = format!("session={}", browser.session().unwrap());
    browser.log_out().await;
    let ended = events(&cookie).await;
    assert_eq!((ended.status.as_u16(), &*ended.text), (204, ""));
    assert_eq!(ended.header("cache-control"), Some("no-store"));
    let cookie = log_in(&browser, PASSWORD).await;
    server.clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    assert_eq!(events(&cookie).await.status, 204);
}

async fn open_eight(browser: &Browser) -> Vec<EventStream> {
    join_all((0..8).map(|_| EventStream::open(browser))).await
}

async fn a_session_has_eight_and_a_closed_one_makes_room(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut streams = open_eight(&browser).await;
    let ninth = browser.get("/session/events").await;
    assert_eq!(
        (ninth.status.as_u16(), &*ninth.code()),
        (429, "too_many_streams")
    );
    assert_eq!(browser.check().await.status, 200);
    // Another session of the same user has its own.
    let cookie = log_in(&server.browser(), PASSWORD).await;
    drop(EventStream::open_with(&browser, &cookie).await);

    streams.pop();
    let open = async || {
        let request = browser.request(Method::GET, "/session/events");
        request.send().await.unwrap().status()
    };
    let opened = async {
        while open().await == 429 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let opened = timeout(UNTIL_THERE_IS_ROOM, opened).await;
    opened.expect("a closed stream keeps its place");
}

async fn the_process_has_a_limit_that_leaves_room_for_requests(kind: Kind) {
    let database = Database::new(kind).await;
    let key = generate_secret_key();
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)]);
    // Nine streams of twelve connections.
    let process = workplace.serve_with_open_files(64);
    let (ann, ben) = (process.browser(), process.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let anns = open_eight(&ann).await;
    let mut bens = EventStream::open(&ben).await;
    let tenth = ben.get("/session/events").await;
    assert_eq!((tenth.status.as_u16(), &*tenth.code()), (503, "busy"));
    assert!(tenth.header("retry-after").is_some());
    for _ in 0..20 {
        assert_eq!(process.browser().get("/checklogin").await.status, 401);
    }
    // None of them was closed for those.
    drop(anns);
    let accounts = Server::start_on(Database::at(&database.url), &[]).await;
    let accounts = accounts.accounts();
    let user = find_user(accounts, "Ben").await;
    accounts.change_email(&user, None).await.unwrap();
    bens.changed().await;
    let stopped = tokio::task::spawn_blocking(move || process.stop());
    assert_eq!(stopped.await.unwrap(), Some(0));
}

/// The limits of a request and of an idle connection are ten seconds.
async fn a_stream_outlives_every_limit_of_a_request(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut stream = EventStream::open(&browser).await;
    for _ in 0..2 {
        let comment = stream.next_block().await;
        assert_eq!(comment.as_deref(), Some(":"));
    }
    browser.log_out().await;
    assert_eq!(stream.reason().await, "logged_out");
}

async fn what_concerns_others_reads_nothing(kind: Kind) {
    // A node that was late to hear of others' changes, as on a busy machine, reads everything again.
    for _ in 0..ROUNDS {
        if nothing_is_read(kind).await {
            return;
        }
    }
    panic!("read again each time");
}

async fn nothing_is_read(kind: Kind) -> bool {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut stream = EventStream::open(&browser).await;
    // A node that begins to hear of others' changes reads everything again.
    while server.auth.statistics().session_cache_hits == 0 {
        assert_eq!(browser.check().await.status, 200);
    }
    // Whoever reads the session again finds it gone.
    change_without_revocation(&server, "delete from sessions").await;
    let ben = server.browser();
    ben.sign_up("Ben").await;
    ben.log_in("Ben").await;
    ben.log_out().await;
    assert_eq!(
        browser.log_in_with("Ann", "a wrong password").await.status,
        400
    );
    if timeout(Duration::from_millis(500), stream.next())
        .await
        .is_ok()
    {
        return false;
    }
    let ann = find_user(server.accounts(), "Ann").await;
    server.accounts().sign_out(&ann).await.unwrap();
    stream.reason().await == "revoked"
}

async fn a_database_that_does_not_respond_ends_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let mut stream = EventStream::open(&browser).await;
    let rename = async |from: &str, to: &str| {
        let sql = format!("alter table {from} rename to {to}");
        server.database.execute(&sql).await;
    };
    rename("sessions", "away").await;
    let email = "update users set email = 'a@example.com'";
    server.database.execute(email).await;
    browser.check_until(503).await;
    let silence = timeout(Duration::from_millis(500), stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    rename("away", "sessions").await;
    stream.changed().await;
    browser.log_out().await;
    assert_eq!(stream.reason().await, "logged_out");
}
