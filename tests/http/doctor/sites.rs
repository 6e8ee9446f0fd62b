//! `handstamp doctor URL`, of sites behind a real nginx and a real Caddy.

use super::{
    examined::Examined,
    mistakes::{Changes, MISTAKES},
};
use crate::helpers::{
    Database, Kind, Process, Proxy, ProxyKind, Server, Workplace, on_both_databases,
};

on_both_databases!(
    a_site_in_order_passes,
    a_second_node_with_another_key_is_named,
    seen_needs_a_token,
);

const BOTH: [ProxyKind; 2] = [ProxyKind::Nginx, ProxyKind::Caddy];

/// A site in production, with its settings and database at hand.
struct Site {
    proxy: Proxy,
    workplace: Workplace,
    database: Database,
    _nodes: Vec<Process>,
}

pub fn production(database: &Database, key: &str) -> Workplace {
    Workplace::new(&[
        ("APP_ENV", "production"),
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", key),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ])
}

impl Site {
    async fn start(program: ProxyKind, changes: Changes) -> Self {
        Self::start_with(Kind::Sqlite, program, changes, &[]).await
    }

    async fn start_with(
        kind: Kind,
        program: ProxyKind,
        changes: Changes,
        settings: &[(&str, &str)],
    ) -> Self {
        let database = Database::new(kind).await;
        let key = handstamp::auth::generate_secret_key();
        let mut workplace = production(&database, &key);
        for (name, value) in settings {
            workplace.set(name, value);
        }
        let node = workplace.serve();
        let proxy = Proxy::start_changed(program, &[&node.base], changes);
        workplace.set("SSL_CERT_FILE", &proxy.certificate());
        Self {
            proxy,
            workplace,
            database,
            _nodes: vec![node],
        }
    }

    fn examine(&self) -> Examined {
        Examined::of(&self.workplace, &self.proxy.plain)
    }
}

async fn a_site_in_order_passes(kind: Kind) {
    for program in BOTH {
        for prefix in ["", "/api"] {
            let settings = [("API_PREFIX", prefix), ("SIGNUP", "closed")];
            let site = Site::start_with(kind, program, &[], &settings).await;
            let examined = site.examine();
            examined.assert_fails(&[], &format!("{program:?} {prefix}"));
            assert_eq!(examined.with_status("skipped"), [].into(), "{examined:#?}");
            // Of its account nothing is left but what the audit says.
            assert_eq!(site.database.count("users").await, 0);
            assert_eq!(site.database.count("sessions").await, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_of_a_proxy_is_named() {
    // A stored response outlives the logout, which is only seen by who logs in.
    each_is_named(Site::examine, |name| name.starts_with("log_"), &[]).await;
}

/// Requires that each mistake fails the checks that name it, and no others but what a cache may
/// bring along. Those of checks that are `blind` are not seen.
async fn each_is_named(
    examine: impl Fn(&Site) -> Examined,
    comes_with_cache: impl Fn(&str) -> bool,
    blind: &[&str],
) {
    let mut wrong = Vec::new();
    for mistake in &MISTAKES {
        for program in BOTH {
            let (case, expected) = (mistake.case, mistake.fails(program));
            if blind.contains(&expected) {
                continue;
            }
            let site = Site::start(program, mistake.changes(program)).await;
            let examined = examine(&site);
            let mut failed = examined.with_status("fail");
            if failed.contains("cache") {
                failed.retain(|name| !comes_with_cache(name));
            }
            if failed != [expected].into() {
                wrong.push(format!(
                    "{case}, {program:?}: {failed:?}, {:#?}",
                    examined.report
                ));
            }
            assert_eq!(site.database.count("users").await, 0, "{case}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_trusted_is_named() {
    for program in BOTH {
        for trusted in ["", "192.0.2.1"] {
            let settings = [("TRUSTED_PROXIES", trusted)];
            let site = Site::start_with(Kind::Sqlite, program, &[], &settings).await;
            let examined = site.examine();
            examined.assert_fails(&["client_address"], &format!("{program:?} {trusted:?}"));
            let text = examined.report.to_string();
            assert!(text.contains("add 127.0.0.1 to TRUSTED_PROXIES"), "{text}");
        }
    }
    let sent: [(&str, Changes); 3] = [
        ("none", &[("$remote_addr;", "\"\";")]),
        ("as it came", &[("$remote_addr;", "$http_x_forwarded_for;")]),
        (
            "of another proxy",
            &[("$remote_addr;", "\"198.51.100.1, 203.0.113.9\";")],
        ),
    ];
    for (case, changes) in sent {
        let site = Site::start(ProxyKind::Nginx, changes).await;
        site.examine().assert_fails(&["client_address"], case);
    }
}

async fn a_second_node_with_another_key_is_named(kind: Kind) {
    for program in BOTH {
        for knows_the_other in [false, true] {
            let database = Database::new(kind).await;
            let [one, other] = [(); 2].map(|()| handstamp::auth::generate_secret_key());
            let mut first = production(&database, &one);
            let mut second = production(&database, &other);
            if knows_the_other {
                first.set("SECRET_KEY_FALLBACKS", &other);
                second.set("SECRET_KEY_FALLBACKS", &one);
            }
            let nodes = [first.serve(), second.serve()];
            let servers = [&*nodes[0].base, &*nodes[1].base];
            let proxy = Proxy::start(program, &servers);
            first.set("SSL_CERT_FILE", &proxy.certificate());
            let examined = Examined::of(&first, &proxy.plain);
            let case = format!("{program:?} {knows_the_other}");
            assert!(
                examined.with_status("fail").contains("same_key"),
                "{case}: {examined:#?}"
            );
            assert_eq!(examined.code, Some(1), "{case}");
            assert_eq!(database.count("users").await, 0, "{case}");
        }
    }
}

/// Without the site's settings, what clients can see is all that is seen.
#[tokio::test(flavor = "multi_thread")]
async fn from_elsewhere_less_is_seen() {
    let elsewhere = |site: &Site| {
        let certificate = site.proxy.certificate();
        let workplace = Workplace::new(&[("SSL_CERT_FILE", &certificate)]);
        Examined::of(&workplace, &site.proxy.plain)
    };
    let blind = [
        "api_compression",
        "client_address",
        "device_bound_sessions",
        "forwarded_proto",
        "log_in",
        "log_out",
        "same_key",
    ];
    let site = Site::start(ProxyKind::Nginx, &[]).await;
    let examined = elsewhere(&site);
    examined.assert_fails(&[], "in order");
    assert_eq!(examined.with_status("skipped"), blind.into());
    assert_eq!(
        site.database.count("audit_events").await,
        0,
        "it only looked"
    );
    each_is_named(elsewhere, |_| false, &blind).await;
    // Settings that are of no use are not passed over in silence.
    let certificate = site.proxy.certificate();
    let key = handstamp::auth::generate_secret_key();
    let variables = [
        ("SSL_CERT_FILE", &*certificate),
        ("SECRET_KEY", &key),
        ("PORT", "many"),
    ];
    let examined = Examined::of(&Workplace::new(&variables), &site.proxy.plain);
    assert!(
        examined.detail("same_key").contains("PORT"),
        "{examined:#?}"
    );
    // With settings of another site, too.
    let key = handstamp::auth::generate_secret_key();
    let database = Database::new(Kind::Sqlite).await;
    let mut other = production(&database, &key);
    assert!(other.run(&["migrate"]).status.success());
    other.set("SSL_CERT_FILE", &site.proxy.certificate());
    let examined = Examined::of(&other, &site.proxy.plain);
    examined.assert_fails(&[], "another site's settings");
    assert_eq!(examined.with_status("skipped"), blind.into());
    assert_eq!(database.count("audit_events").await, 0);
    assert_eq!(site.database.count("audit_events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_no_failed_site() {
    let workplace = Workplace::new(&[]);
    for url in [
        "",
        "localhost",
        "localhost:5000",
        "ftp://localhost",
        "http://",
        "https://a/?b",
        "https://ann@a",
        "https://:hunter2@a",
    ] {
        let output = workplace.run(&["doctor", url]);
        assert_eq!(output.status.code(), Some(2), "{url}: {output:?}");
    }
    let examined = Examined::of(&workplace, "http://127.0.0.1:1/");
    examined.assert_fails(&["https", "reachable"], "nobody listens");
    let site = Site::start(ProxyKind::Nginx, &[]).await;
    // Its certificate is not trusted here.
    let examined = Examined::of(&workplace, &site.proxy.plain);
    examined.assert_fails(&["reachable"], "no trust");
    // A development server, reached directly.
    let process = Workplace::new(&[]).serve();
    let examined = Examined::of(&workplace, &process.base);
    let failed = examined.with_status("fail");
    for name in ["https", "cookie_flags", "cookie_prefix"] {
        assert!(failed.contains(name), "{examined:#?}");
    }
}

/// Without a token of the server's key the route does not exist.
async fn seen_needs_a_token(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    for token in [None, Some(""), Some("1.2.3"), Some("0.0.0"), Some("é")] {
        let mut request = browser.request(reqwest::Method::GET, "/healthz/seen");
        if let Some(token) = token {
            request = request.header("handstamp-doctor", token);
        }
        let answer = browser.send(request).await;
        assert_eq!(answer.code(), "not_found", "{token:?}");
    }
    for method in [reqwest::Method::POST, reqwest::Method::DELETE] {
        let answer = browser.send(browser.request(method, "/healthz/seen")).await;
        assert_eq!(answer.code(), "not_found");
    }
}
