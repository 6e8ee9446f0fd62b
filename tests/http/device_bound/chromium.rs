//! A real browser that binds its session, behind a proxy that speaks https.
//! `CHROMIUM_REFRESHES=20` has it renew its proof as often.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{
    Chromium, DEVICE_BOUND, Kind, PASSWORD, Proxy, ProxyKind, Server, on_both_databases,
};

on_both_databases!(
    a_page_notices_nothing_and_a_copy_is_worthless,
    a_session_before_does_not_disturb_the_next_one,
    a_page_of_another_origin_notices_nothing_either,
);

const SESSION: &str = "__Host-session";
const PROOF: &str = "__Host-session-proof";
/// How long a proof lasts: long enough for a busy machine to renew it.
const LIFETIME: &str = "12s";
/// A little longer.
const A_LIFETIME: Duration = Duration::from_secs(15);
const REFRESHES: u32 = 2;

fn refreshes() -> u32 {
    let asked = std::env::var("CHROMIUM_REFRESHES").ok();
    asked.map_or(REFRESHES, |count| count.parse().unwrap())
}

async fn start(kind: Kind) -> Server {
    let settings = [
        DEVICE_BOUND,
        ("APP_ENV", "production"),
        ("DEVICE_PROOF_LIFETIME", LIFETIME),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    Server::start_with(kind, &settings).await
}

fn post(body: Value) -> Value {
    json!({
        "method": "POST",
        "headers": {"content-type": "application/json"},
        "body": body.to_string(),
    })
}

async fn a_page_notices_nothing_and_a_copy_is_worthless(kind: Kind) {
    let server = start(kind).await;
    let proxy = Proxy::start(ProxyKind::Nginx, &[&server.base]);
    let mut chromium = Chromium::start(&proxy).await;
    chromium.open(&format!("{}/", proxy.base)).await;
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    let (status, user) = chromium.fetch("/signup", post(body)).await;
    assert_eq!(status, 201, "{user}");
    let asked = Instant::now();
    until_bound(&server, &chromium, 1).await;
    report("bound", asked.elapsed());
    let sessions = chromium.fetch("/sessions", json!({})).await.1;
    assert_eq!(sessions["sessions"][0]["device_bound"], true, "{sessions}");

    let copied = format!("{SESSION}={}", chromium.cookie(SESSION).await.unwrap());
    let (status, _) = chromium.fetch("/checklogin", json!({})).await;
    assert_eq!(status, 200);
    let proof = chromium.cookie(PROOF).await.unwrap();
    let both = format!("{copied}; {PROOF}={proof}");
    let mut fetches = 0;
    // Chromium renews a proof ahead of time, with each request when it lasts as short as here.
    let until = A_LIFETIME * refreshes();
    while asked.elapsed() < until || server.auth.statistics().device_refreshes < refreshes().into()
    {
        let (status, answer) = chromium.fetch("/checklogin", json!({})).await;
        assert_eq!(status, 200, "{answer}: {:?}", chromium.events);
        fetches += 1;
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    let refreshed = server.auth.statistics().device_refreshes;
    report(
        &format!("{refreshed} refreshes, {fetches} requests"),
        asked.elapsed(),
    );

    let thief = proxy.browser();
    for cookies in [&copied, &both] {
        let answer = thief
            .send(
                thief
                    .request(Method::GET, "/checklogin")
                    .header("cookie", cookies),
            )
            .await;
        assert_eq!(answer.reason(), "device_proof_missing");
    }
    let (status, _) = chromium.fetch("/checklogin", json!({})).await;
    assert_eq!(status, 200);

    // The same with another Chromium, which has no key.
    let mut other = Chromium::start(&proxy).await;
    let cookies = [SESSION, PROOF].map(|name| {
        let value = both
            .split("; ")
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        json!({"name": name, "value": value, "url": proxy.base, "secure": true, "path": "/"})
    });
    let set = json!({"cookies": cookies});
    other.call("Network.setCookies", set).await;
    other.open(&format!("{}/", proxy.base)).await;
    let (status, answer) = other.fetch("/checklogin", json!({})).await;
    assert_eq!(
        (status, &answer["reason"]),
        (401, &json!("device_proof_missing")),
        "{answer}"
    );
    let (status, info) = other.fetch("/session", json!({})).await;
    assert_eq!((status, &info["user"]), (200, &Value::Null), "{info}");
    let (status, _) = chromium.fetch("/checklogin", json!({})).await;
    assert_eq!(status, 200);

    // A logout is the end of it; a login binds the next session.
    let (status, _) = chromium.fetch("/logout", json!({"method": "DELETE"})).await;
    assert_eq!(status, 200);
    let (status, answer) = chromium.fetch("/checklogin", json!({})).await;
    assert_eq!((status, &answer["reason"]), (401, &json!("no_cookie")));
    let body = json!({"username": "Ann", "password": PASSWORD});
    let (status, user) = chromium.fetch("/login", post(body)).await;
    assert_eq!(status, 200, "{user}");
    until_bound(&server, &chromium, 2).await;
}

/// Waits until so many sessions were bound.
async fn until_bound(server: &Server, chromium: &Chromium, count: u64) {
    let asked = Instant::now();
    while server.auth.statistics().device_registrations < count {
        let told = &chromium.events;
        assert!(asked.elapsed() < Duration::from_secs(60), "{told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_session_before_does_not_disturb_the_next_one(kind: Kind) {
    let server = start(kind).await;
    let proxy = Proxy::start(ProxyKind::Nginx, &[&server.base]);
    let mut chromium = Chromium::start(&proxy).await;
    chromium.open(&format!("{}/", proxy.base)).await;
    let sign_up = |name: &str| {
        let email = format!("{name}@example.com");
        post(json!({"username": name, "email": email, "password": PASSWORD}))
    };
    assert_eq!(chromium.fetch("/signup", sign_up("ann")).await.0, 201);
    until_bound(&server, &chromium, 1).await;
    // The browser keeps the key of a session whose cookie is gone, and renews its proof, which is in the
    // same cookie as that of the next.
    let cookie = json!({"name": SESSION, "url": proxy.base});
    chromium.call("Network.deleteCookies", cookie).await;
    assert_eq!(chromium.fetch("/signup", sign_up("ben")).await.0, 201);
    until_bound(&server, &chromium, 2).await;
    let bound = Instant::now();
    while bound.elapsed() < 2 * A_LIFETIME {
        let (status, answer) = chromium.fetch("/checklogin", json!({})).await;
        assert_eq!(status, 200, "{answer}: {:?}", chromium.events);
        assert_eq!(answer["username"], "ben");
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    let live = "sessions where device_key is not null";
    assert_eq!(server.database.count(live).await, 2);
}

async fn a_page_of_another_origin_notices_nothing_either(kind: Kind) {
    let page = start(kind).await;
    let page = Proxy::start(ProxyKind::Nginx, &[&page.base]);
    let settings = [
        DEVICE_BOUND,
        ("APP_ENV", "production"),
        ("DEVICE_PROOF_LIFETIME", LIFETIME),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("ALLOWED_ORIGINS", &*page.base),
    ];
    let server = Server::start_with(kind, &settings).await;
    let proxy = Proxy::start(ProxyKind::Nginx, &[&server.base]);
    let mut chromium = Chromium::start_for(&[&proxy, &page]).await;
    // The page that is open lets its scripts call nobody else.
    let bypass = json!({"enabled": true});
    chromium.call("Page.setBypassCSP", bypass).await;
    chromium.open(&format!("{}/", page.base)).await;
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    let mut sign_up = post(body);
    sign_up["credentials"] = json!("include");
    let to = |path: &str| format!("{}{path}", proxy.base);
    let (status, user) = chromium.fetch(&to("/signup"), sign_up).await;
    assert_eq!(status, 201, "{user}");
    until_bound(&server, &chromium, 1).await;
    let bound = Instant::now();
    while bound.elapsed() < 2 * A_LIFETIME {
        let with_cookies = json!({"credentials": "include"});
        let (status, answer) = chromium.fetch(&to("/checklogin"), with_cookies).await;
        assert_eq!(status, 200, "{answer}: {:?}", chromium.events);
        tokio::time::sleep(Duration::from_millis(450)).await;
    }
    let refreshed = server.auth.statistics().device_refreshes;
    assert!(refreshed > 1, "{refreshed}");
    report(
        &format!("{refreshed} refreshes from another origin"),
        bound.elapsed(),
    );
}

/// The shortest lifetime that is not warned about.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes eleven minutes"]
async fn what_chromium_signs_is_enough_for_four_minutes() {
    let settings = [
        DEVICE_BOUND,
        ("APP_ENV", "production"),
        ("DEVICE_PROOF_LIFETIME", "4m"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = Server::start_with(Kind::Sqlite, &settings).await;
    let proxy = Proxy::start(ProxyKind::Nginx, &[&server.base]);
    let mut chromium = Chromium::start_with_quota(&proxy).await;
    chromium.open(&format!("{}/", proxy.base)).await;
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    assert_eq!(chromium.fetch("/signup", post(body)).await.0, 201);
    until_bound(&server, &chromium, 1).await;
    let (bound, mut fetches) = (Instant::now(), 0);
    while bound.elapsed() < Duration::from_secs(11 * 60) {
        let (status, answer) = chromium.fetch("/checklogin", json!({})).await;
        let after = bound.elapsed();
        assert_eq!(status, 200, "{after:?}: {answer}: {:?}", chromium.events);
        fetches += 1;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let refreshed = server.auth.statistics().device_refreshes;
    report(
        &format!("{refreshed} refreshes, {fetches} requests"),
        bound.elapsed(),
    );
}

#[expect(clippy::print_stdout, reason = "a long run says what it took")]
fn report(what: &str, took: Duration) {
    println!("{what} after {took:?}");
}
