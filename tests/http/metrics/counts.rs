//! `GET /metrics`: which metrics there are, and that each of them counts what it says.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::json;

use super::scrape::Target;
use crate::helpers::{
    Browser, Database, EventStream, Kind, PASSWORD, Process, Workplace, on_both_databases,
};

on_both_databases!(
    every_metric_is_there_under_its_name,
    requests_are_counted_by_their_template,
    logins_are_counted_by_their_outcome,
    live_sessions_are_those_of_users,
    the_cache_counts_its_hits,
    removed_rows_are_counted,
    the_queue_for_hashes_is_seen,
    open_streams_of_events_are_counted,
    they_are_on_no_other_address,
);

const REQUEST: [&str; 3] = ["method", "route", "status"];

/// A server with metrics, and where they are.
pub async fn measured(kind: Kind, settings: &[(&str, &str)]) -> (Database, Process, Target) {
    let database = Database::new(kind).await;
    let process = serve_on(&database, settings);
    let target = Target::of(&process);
    (database, process, target)
}

pub fn serve_on(database: &Database, settings: &[(&str, &str)]) -> Process {
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", &key),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ]);
    for (name, value) in settings {
        workplace.set(name, value);
    }
    workplace.serve()
}

async fn every_metric_is_there_under_its_name(kind: Kind) {
    let (_database, process, target) = measured(kind, &[]).await;
    process.browser().sign_up("Ann").await;
    let scrape = target
        .scrape_until(|scrape| scrape.types.contains_key("http_requests_total"))
        .await;
    for (name, kind, labels) in [
        ("http_requests_total", "counter", &REQUEST[..]),
        ("http_request_duration_seconds", "histogram", &REQUEST),
        ("handstamp_logins_total", "counter", &["outcome"]),
        ("handstamp_sessions_live", "gauge", &[]),
        ("handstamp_session_cache_hits_total", "counter", &[]),
        ("handstamp_session_cache_misses_total", "counter", &[]),
        ("handstamp_password_hash_queue", "gauge", &[]),
        ("handstamp_db_pool_in_use", "gauge", &[]),
        ("handstamp_db_pool_size", "gauge", &[]),
        ("handstamp_revocation_lag_seconds", "gauge", &[]),
        ("handstamp_purged_rows_total", "counter", &[]),
        ("handstamp_event_streams", "gauge", &[]),
        ("handstamp_device_registrations_total", "counter", &[]),
        ("handstamp_device_refreshes_total", "counter", &[]),
        ("handstamp_device_proofs_refused_total", "counter", &[]),
        ("process_cpu_seconds_total", "counter", &[]),
        ("process_resident_memory_bytes", "gauge", &[]),
        ("process_open_fds", "gauge", &[]),
        ("process_max_fds", "gauge", &[]),
        ("process_start_time_seconds", "gauge", &[]),
    ] {
        assert_eq!(
            scrape.types.get(name).map(|kind| &**kind),
            Some(kind),
            "{name}"
        );
        let sample = match kind {
            "histogram" => format!("{name}_count"),
            _ => name.to_owned(),
        };
        let samples = scrape.samples.iter().filter(|it| it.name == sample);
        let found: BTreeSet<Vec<&str>> = samples
            .map(|it| it.labels.keys().map(|label| &**label).collect())
            .collect();
        assert_eq!(found, [labels.to_vec()].into(), "{name}");
    }
    let outcomes = scrape.label_values("handstamp_logins_total", "outcome");
    let expected = [
        "bad_credentials",
        "busy",
        "success",
        "throttled",
        "unavailable",
    ];
    assert_eq!(outcomes, expected.into());
    let in_use = scrape.value("handstamp_db_pool_in_use");
    assert!(
        in_use <= scrape.value("handstamp_db_pool_size"),
        "{scrape:?}"
    );
    assert!(
        scrape.value("handstamp_revocation_lag_seconds") < 5.0,
        "{scrape:?}"
    );
    assert!(
        scrape.value("process_resident_memory_bytes") > 1e6,
        "{scrape:?}"
    );
}

async fn requests_are_counted_by_their_template(kind: Kind) {
    for prefix in ["", "/api"] {
        let (_database, process, target) = measured(kind, &[("API_PREFIX", prefix)]).await;
        let browser = process.browser();
        let get = async |path: &str| browser.get(&format!("{prefix}{path}")).await.status;
        for number in 0..5 {
            let post = format!("/posts/00000000-0000-7000-8000-00000000000{number}");
            assert_eq!(get(&post).await, 404);
            assert_eq!(get(&format!("/nowhere/{number}")).await, 404);
            assert_eq!(browser.get(&format!("/post/{number}")).await.status, 200);
        }
        assert_eq!(get("/checklogin").await, 401);
        assert_eq!(get("/checklogin/").await, 401);
        for path in [
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/docs",
            "/docs/index.css",
        ] {
            assert_eq!(browser.get(path).await.status, 200, "{path}");
        }
        for method in ["PROPFIND", "BREW", "TRACE"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = browser.request(method, &format!("{prefix}/checklogin"));
            assert_eq!(browser.send(request).await.status, 405);
        }
        let scrape = target.scrape().await;
        let count = |method: &str, route: &str, status: &str| {
            let labels = [("method", method), ("route", route), ("status", status)];
            let timed = scrape.sum("http_request_duration_seconds_count", &labels);
            let within = scrape.sum(
                "http_request_duration_seconds_bucket",
                &[labels[0], labels[1], labels[2], ("le", "+Inf")],
            );
            let counted = scrape.sum("http_requests_total", &labels);
            assert_eq!((counted, counted), (timed, within), "{labels:?}");
            counted
        };
        let route = |path: &str| format!("{prefix}{path}");
        assert_eq!(count("GET", &route("/posts/{id}"), "404"), 5.0);
        assert_eq!(count("GET", "unmatched", "404"), 5.0);
        assert_eq!(count("GET", "/post/{id}", "200"), 5.0);
        assert_eq!(count("GET", &route("/checklogin"), "401"), 2.0);
        assert_eq!(count("other", &route("/checklogin"), "405"), 3.0);
        assert_eq!(count("GET", "/docs/{*file}", "200"), 1.0);
        for path in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
            assert_eq!(count("GET", path, "200"), 1.0, "{path}");
        }
        let routes = scrape.label_values("http_requests_total", "route");
        assert_eq!(routes.len(), 9, "{routes:?}");
    }
}

async fn logins_are_counted_by_their_outcome(kind: Kind) {
    let limit = [("LOGIN_FAILURES_PER_ACCOUNT", "3/15m")];
    let (database, process, target) = measured(kind, &limit).await;
    let browser = process.browser();
    // Neither a sign-up nor what is no login at all.
    browser.sign_up("Ann").await;
    browser.sign_up("Ben").await;
    assert_eq!(browser.post("/login", json!({"user": 1})).await.status, 422);
    for _ in 0..2 {
        assert_eq!(browser.log_in("Ann").await.status, 200);
    }
    for status in [400, 400, 400, 429, 429] {
        let answer = browser.log_in_with("Ben", "a wrong password").await;
        assert_eq!(answer.status, status);
    }
    database
        .execute("alter table users rename to elsewhere")
        .await;
    assert_eq!(browser.log_in("Ann").await.status, 503);
    let scrape = target.scrape().await;
    for (outcome, count) in [
        ("success", 2.0),
        ("bad_credentials", 3.0),
        ("throttled", 2.0),
        ("busy", 0.0),
        ("unavailable", 1.0),
    ] {
        let labels = [("outcome", outcome)];
        let counted = scrape.sum("handstamp_logins_total", &labels);
        assert_eq!(counted, count, "{outcome}");
    }
}

async fn live_sessions_are_those_of_users(kind: Kind) {
    let (database, process, target) = measured(kind, &[]).await;
    let live = async |count: f64| {
        let has = |scrape: &super::scrape::Scrape| scrape.value("handstamp_sessions_live") == count;
        target.scrape_until(has).await;
    };
    live(0.0).await;
    let ann = process.browser();
    ann.sign_up("Ann").await;
    process.browser().log_in("Ann").await;
    process.browser().log_in("Ann").await;
    let ben = process.browser();
    ben.sign_up("Ben").await;
    // A visitor has a session, too.
    let visitor = process.browser();
    let post = ann
        .post("/posts", json!({"title": "Tea", "text": "at dawn"}))
        .await;
    let post = post.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(visitor.get(&format!("/posts/{post}")).await.status, 200);
    database.count_until("sessions", 5).await;
    live(4.0).await;
    ann.log_out().await;
    live(3.0).await;
    database
        .execute("update users set disabled_at = created_at where username = 'Ben'")
        .await;
    live(2.0).await;
    database
        .execute("update sessions set expiry_date = created_at")
        .await;
    live(0.0).await;
}

async fn the_cache_counts_its_hits(kind: Kind) {
    for entries in ["100", "0"] {
        let settings = [("SESSION_CACHE_ENTRIES", entries)];
        let (_database, process, target) = measured(kind, &settings).await;
        let browser = process.browser();
        browser.sign_up("Ann").await;
        let counted = async || {
            let scrape = target.scrape().await;
            let names = ["hits", "misses"];
            names.map(|name| scrape.value(&format!("handstamp_session_cache_{name}_total")))
        };
        let before = counted().await;
        // Nothing is cached before the node has read what others change.
        let mut checks = 0.0;
        while checks < 4.0 || (entries != "0" && counted().await[0] < before[0] + 3.0) {
            assert_eq!(browser.check().await.status, 200);
            checks += 1.0;
            assert!(checks < 10_000.0, "never cached");
        }
        // Whoever has no cookie, or a forged one, has no session to be found.
        process.browser().check().await;
        browser.check_with("session=forged").await;
        let after = counted().await;
        let [hits, misses] = [after[0] - before[0], after[1] - before[1]];
        assert_eq!(hits + misses, checks);
        assert!(misses >= 1.0, "it was not cached at first");
        if entries == "0" {
            assert_eq!(hits, 0.0);
        }
    }
}

async fn removed_rows_are_counted(kind: Kind) {
    let database = Database::new(kind).await;
    let process = serve_on(&database, &[]);
    for name in ["Ann", "Ben", "Cleo"] {
        process.browser().sign_up(name).await;
    }
    process.stop();
    let long_ago = "update sessions set expiry_date = '2020-01-01T00:00:00.000000Z'";
    database.execute(long_ago).await;
    let process = serve_on(&database, &[]);
    let target = Target::of(&process);
    database.count_until("sessions", 0).await;
    let is_counted =
        |scrape: &super::scrape::Scrape| scrape.value("handstamp_purged_rows_total") == 3.0;
    target.scrape_until(is_counted).await;
}

async fn the_queue_for_hashes_is_seen(kind: Kind) {
    let one = [("PASSWORD_HASHES_AT_ONCE", "1")];
    let (_database, process, target) = measured(kind, &one).await;
    let asking: Vec<_> = (0..400)
        .map(|number| {
            let browser: Browser = process.browser();
            tokio::spawn(async move {
                let name = format!("nobody{number}");
                browser.log_in_with(&name, PASSWORD).await.code()
            })
        })
        .collect();
    let queued =
        |scrape: &super::scrape::Scrape| scrape.value("handstamp_password_hash_queue") >= 10.0;
    target.scrape_until(queued).await;
    let mut counted = BTreeMap::<_, f64>::new();
    for asked in asking {
        *counted.entry(asked.await.unwrap()).or_default() += 1.0;
    }
    let scrape = target.scrape().await;
    assert_eq!(scrape.value("handstamp_password_hash_queue"), 0.0);
    let logins = |outcome: &str| scrape.sum("handstamp_logins_total", &[("outcome", outcome)]);
    // So many wait for the database as well, on a busy machine.
    let outcomes = ["bad_credentials", "busy", "unavailable"];
    for outcome in outcomes {
        let expected = counted.get(outcome).copied().unwrap_or_default();
        assert_eq!(logins(outcome), expected, "{outcome}");
    }
    assert_eq!(outcomes.map(logins).iter().sum::<f64>(), 400.0);
}

async fn open_streams_of_events_are_counted(kind: Kind) {
    let (_database, process, target) = measured(kind, &[]).await;
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let open = async |count: f64| {
        let has = |scrape: &super::scrape::Scrape| scrape.value("handstamp_event_streams") == count;
        target.scrape_until(has).await;
    };
    open(0.0).await;
    let first = EventStream::open(&browser).await;
    let second = EventStream::open(&browser).await;
    open(2.0).await;
    drop(first);
    open(1.0).await;
    browser.log_out().await;
    assert_eq!(second.reason().await, "logged_out");
    open(0.0).await;
}

async fn they_are_on_no_other_address(kind: Kind) {
    let (database, process, target) = measured(kind, &[]).await;
    assert_eq!(process.browser().get("/metrics").await.status, 404);
    for path in ["/", "/checklogin", "/healthz"] {
        assert_eq!(target.browser().get(path).await.status, 404, "{path}");
    }
    drop(process);
    let process = serve_on(&database, &[("METRICS_ADDR", "")]);
    process.wait_for_log("serving");
    assert_eq!(process.browser().get("/metrics").await.status, 404);
    assert!(!process.logs().contains("metrics at"), "{}", process.logs());
}
