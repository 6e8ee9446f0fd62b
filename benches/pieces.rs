//! What the pieces of `GET /checklogin` take, one by one: `cargo bench --bench pieces`.
//!
//! First the key ring and the cookie alone. Then requests go into the auth's router itself, with
//! no socket and no layers around, and each gets one piece further than the one before it: no
//! cookie (the router and its answer), a forged one (read, and its signature checked by every
//! key), a session seen before (looked up where it is kept in memory), and one that was not
//! (looked up in the database).

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs)]

use std::{hint::black_box, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
};
use criterion::{Criterion, criterion_group, criterion_main};
use handstamp::{
    Clock, Db,
    auth::Secret,
    auth::pieces::{KeyRing, SessionCookie, SessionToken},
    server::Config,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use tower_sessions::session::Id;
use uuid::Uuid;

const KEY: &str = "a key of the bench that is long enough";
const OLD_KEY: &str = "an older key of it as long as the other";

criterion_group!(pieces, key_ring, cookie, check_login);
criterion_main!(pieces);

/// Signing a token, and telling whose signature is under one.
fn key_ring(criterion: &mut Criterion) {
    let [old, new] = [OLD_KEY, KEY].map(|key| Secret::signing_key(key).unwrap());
    let before = KeyRing::new(&old, &[]);
    let rotated = KeyRing::new(&new, &[old]);
    let token = SessionToken::new(Uuid::from_u128(7), Id::default());
    let (stale, fresh) = (before.sign(token), rotated.sign(token));
    let forged = format!("{}x", &fresh[..fresh.len() - 1]);
    assert!(
        rotated
            .verify(&stale)
            .is_some_and(|verified| verified.stale)
    );
    assert!(
        rotated
            .verify(&fresh)
            .is_some_and(|verified| !verified.stale)
    );
    assert!(rotated.verify(&forged).is_none());

    let mut group = criterion.benchmark_group("key ring");
    group.bench_function("sign", |bencher| {
        bencher.iter(|| rotated.sign(black_box(token)));
    });
    for (name, signed) in [
        ("verify, signed by the current key", &fresh),
        ("verify, signed by a fallback", &stale),
        ("verify, forged", &forged),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| rotated.verify(black_box(signed)));
        });
    }
    group.finish();
}

/// Finding the session's cookie among others, and writing one.
fn cookie(criterion: &mut Criterion) {
    let keys = KeyRing::new(&Secret::signing_key(KEY).unwrap(), &[]);
    let token = SessionToken::new(Uuid::from_u128(7), Id::default());
    let signed = keys.sign(token);
    let cookie = SessionCookie::new(keys, Duration::from_secs(60), true);
    let sent = format!("theme=dark; {}={signed}; lang=en", cookie.name());
    let sent = HeaderValue::from_str(&sent).unwrap();
    let headers: HeaderMap = [(header::COOKIE, sent)].into_iter().collect();
    assert_eq!(cookie.value(&headers).unwrap(), signed.as_bytes());

    let mut group = criterion.benchmark_group("cookie");
    group.bench_function("read", |bencher| {
        bencher.iter(|| cookie.value(black_box(&headers)).is_ok());
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| cookie.keep(black_box(token)));
    });
    group.finish();
}

fn check_login(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let router = runtime.block_on(start(&folder, &[("SECRET_KEY", KEY)]));
    let cookie = runtime.block_on(sign_up(&router));
    let rotated = [("SECRET_KEY", OLD_KEY), ("SECRET_KEY_FALLBACKS", KEY)];
    let rotated = runtime.block_on(start(&folder, &rotated));
    let uncached = [("SECRET_KEY", KEY), ("SESSION_CACHE_ENTRIES", "1")];
    let uncached = runtime.block_on(start(&folder, &uncached));
    let other = runtime.block_on(log_in(&uncached));
    let forged = format!("{}x", &cookie[..cookie.len() - 1]);

    let mut group = criterion.benchmark_group("checklogin");
    let mut measure = |name, router: &Router, cookies: &[&str], status| {
        let mut turn = cookies.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| {
                let request = request(turn.next().copied().unwrap());
                let router = router.clone();
                async move {
                    let answer = router.oneshot(black_box(request)).await.unwrap();
                    assert_eq!(answer.status(), status);
                    answer
                }
            });
        });
    };
    let out = StatusCode::UNAUTHORIZED;
    measure("no cookie", &router, &[""], out);
    measure("forged, one key", &router, &[&forged], out);
    measure("forged, two keys", &rotated, &[&forged], out);
    measure("seen before", &router, &[&cookie], StatusCode::OK);
    // Two sessions in turn, and memory for one.
    measure(
        "not seen before",
        &uncached,
        &[&cookie, &other],
        StatusCode::OK,
    );
    group.finish();
}

async fn start(folder: &TempDir, settings: &[(&str, &str)]) -> Router {
    let url = format!("sqlite://{}/pieces.db", folder.path().display());
    let settings = [("DATABASE_URL", url.as_str())]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::for_server(&settings.collect()).unwrap();
    let db = Db::connect(&config.database_url).await.unwrap();
    db.migrate().await.unwrap();
    config.auth(db, Clock::system()).unwrap().router()
}

fn request(cookie: &str) -> Request<Body> {
    let request = Request::get("/checklogin");
    let request = match cookie {
        "" => request,
        _ => request.header(header::COOKIE, cookie),
    };
    request.body(Body::empty()).unwrap()
}

const ANN: &str = r#"{"username":"Ann","email":"ann@example.com","password":"plain tea at dawn"}"#;

async fn sign_up(router: &Router) -> String {
    post(router, "/signup", StatusCode::CREATED).await
}

async fn log_in(router: &Router) -> String {
    post(router, "/login", StatusCode::OK).await
}

/// The session's cookie.
async fn post(router: &Router, path: &str, status: StatusCode) -> String {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(ANN))
        .unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), status);
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
