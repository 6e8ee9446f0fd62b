//! What TRUSTED_PROXIES are trusted to say about a client: its address and its scheme.

use reqwest::Method;

use crate::helpers::{Database, Kind, Server, Workplace, on_both_databases};

on_both_databases!(
    blocks_and_hops_count_however_they_are_written,
    nobody_trusts_everybody_in_production,
    a_page_of_another_scheme_is_another_site,
);

const PRODUCTION: (&str, &str) = ("APP_ENV", "production");

async fn blocks_and_hops_count_however_they_are_written(kind: Kind) {
    let settings = [("TRUSTED_PROXIES", "::ffff:127.0.0.0/104")];
    let server = Server::start_with(kind, &settings).await;
    for (number, (hop, address)) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:80", "203.0.113.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:80", "2001:db8::7"),
        ("[203.0.113.7]", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let browser = server.browser();
        let body = serde_json::json!({
            "username": format!("user{number}"),
            "email": format!("user{number}@example.com"),
            "password": crate::helpers::PASSWORD,
        });
        let request = browser.request(Method::POST, "/signup").json(&body);
        let answer = browser.send(request.header("x-forwarded-for", hop)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let sessions = browser.get("/sessions").await.json();
        assert_eq!(sessions["sessions"][0]["ip"], address, "{hop}");
    }
}

async fn nobody_trusts_everybody_in_production(kind: Kind) {
    let database = Database::new(kind).await;
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", &key),
        (
            "TRUSTED_PROXIES",
            "10.0.0.0/8, 0.0.0.0/0, ::/0, ::ffff:0:0/96",
        ),
    ]);
    let process = workplace.serve();
    process.wait_for_log("TRUSTED_PROXIES holds everybody");
    process.stop();
    workplace.set("APP_ENV", "production");
    let output = workplace.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    for (line, entry) in said.lines().zip(2..=4) {
        assert!(
            line.starts_with(&format!("TRUSTED_PROXIES: entry {entry} must not hold")),
            "{said}"
        );
    }
    assert_eq!(said.lines().count(), 3, "{said}");
}

async fn a_page_of_another_scheme_is_another_site(kind: Kind) {
    let here = ("TRUSTED_PROXIES", "127.0.0.1");
    let elsewhere = ("TRUSTED_PROXIES", "192.0.2.1");
    let development = ("APP_ENV", "development");
    for (settings, forwarded, page, is_own) in [
        // We speak http ourselves, unless a trusted proxy says that it speaks https.
        ([development, elsewhere], None, "http", true),
        ([development, elsewhere], None, "https", false),
        ([development, elsewhere], Some("https"), "https", false),
        ([development, elsewhere], Some("https"), "http", true),
        ([development, here], Some("https"), "https", true),
        ([development, here], Some("https"), "http", false),
        ([development, here], Some("http"), "https", false),
        ([development, here], Some("http"), "http", true),
        // In production a proxy does, as the cookie is Secure.
        ([PRODUCTION, elsewhere], None, "https", true),
        ([PRODUCTION, elsewhere], None, "http", false),
        ([PRODUCTION, elsewhere], Some("http"), "https", true),
        ([PRODUCTION, here], Some("http"), "https", false),
        ([PRODUCTION, here], Some("https"), "https", true),
        ([PRODUCTION, here], Some("https"), "http", false),
    ] {
        let case = format!("{settings:?} {forwarded:?} {page}");
        let server = Server::start_with(kind, &settings).await;
        let host = server.base.strip_prefix("http://").unwrap();
        let browser = server.browser();
        let ask = async |method: Method, site: Option<&str>| {
            let mut request = browser
                .request(method, "/logout")
                .header("origin", format!("{page}://{host}"));
            if let Some(scheme) = forwarded {
                request = request.header("x-forwarded-proto", scheme);
            }
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            browser.send(request).await
        };
        let answer = ask(Method::DELETE, None).await;
        assert_eq!(
            answer.status.as_u16(),
            if is_own { 200 } else { 403 },
            "{case}"
        );
        if !is_own {
            assert_eq!(answer.code(), "cross_site");
        }
        // A browser that compares schemes itself is trusted, and reads are open to all.
        let told = ask(Method::DELETE, Some("same-origin")).await;
        assert_eq!(told.status, 200, "{case}");
        assert_eq!(ask(Method::OPTIONS, None).await.status, 405, "{case}");
    }
    let server = Server::start(kind).await;
    let own = server.base.replace("http", "https");
    let settings = [("ALLOWED_ORIGINS", "https://own.example")];
    let allowing = Server::start_with(kind, &settings).await;
    for (server, host, origin, status) in [
        (&server, "", &*own, 403),
        (&allowing, "own.example", "https://own.example", 200),
        (&allowing, "own.example", "http://own.example", 200),
        (&allowing, "own.example", "ftp://own.example", 403),
    ] {
        let browser = server.browser();
        let mut request = browser.request(Method::DELETE, "/logout");
        if !host.is_empty() {
            request = request.header("host", host);
        }
        let answer = browser.send(request.header("origin", origin)).await;
        assert_eq!(answer.status.as_u16(), status, "{origin}");
    }
}
