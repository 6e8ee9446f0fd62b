//! Health, shutdown, and what is served to browsers.

use std::time::Duration;

use reqwest::Method;

use crate::helpers::{Kind, Server, Workplace, on_both_databases};

on_both_databases!(
    ready_until_it_shuts_down,
    the_built_page_is_served_when_it_is_there
);

async fn ready_until_it_shuts_down(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    assert_eq!(browser.get("/healthz").await.status, 200);
    assert_eq!(browser.get("/readyz").await.status, 200);
    server.health.shut_down();
    assert_eq!(browser.get("/healthz").await.status, 200);
    assert_eq!(browser.get("/readyz").await.code(), "unavailable");
}

async fn the_built_page_is_served_when_it_is_there(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let web_dir = folder.path().join("dist");
    let server = Server::start_with(kind, &[("WEB_DIR", web_dir.to_str().unwrap())]).await;
    let browser = server.browser();
    for path in ["/", "/login", "/dashboard", "/post/1", "/dashboard/"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("WEB_DIR"),
            "{path} says how to get the page"
        );
    }

    std::fs::create_dir_all(web_dir.join("assets")).unwrap();
    std::fs::write(web_dir.join("index.html"), "<h1>Just Tech News</h1>").unwrap();
    std::fs::write(web_dir.join("assets/app.js"), "go()").unwrap();
    std::fs::write(folder.path().join("outside.txt"), "not to be seen").unwrap();
    for path in ["/", "/login", "/dashboard", "/post/1"] {
        let page = browser.get(path).await;
        assert_eq!(page.text, "<h1>Just Tech News</h1>", "{path}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
    let script = browser.get("/assets/app.js").await;
    assert_eq!(
        (script.status.as_u16(), script.text.as_str()),
        (200, "go()")
    );
    assert_eq!(script.header("content-type"), Some("text/javascript"));
    let for_good = Some("public, max-age=31536000, immutable");
    assert_eq!(script.header("cache-control"), for_good);
    std::fs::write(web_dir.join("assets/app.js.br"), "compressed").unwrap();
    let request = browser
        .request(Method::GET, "/assets/app.js")
        .header("accept-encoding", "br");
    let script = browser.send(request).await;
    assert_eq!(
        (script.header("content-encoding"), &*script.text),
        (Some("br"), "compressed")
    );

    let page = browser.get("/").await;
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    // A browser that opens an unknown address gets the page.
    let request = browser
        .request(Method::GET, "/nowhere")
        .header("accept", "text/html,*/*");
    let page = browser.send(request).await;
    assert_eq!(
        (page.status.as_u16(), &*page.text),
        (200, "<h1>Just Tech News</h1>")
    );
    for path in ["/", "/nowhere", "/checklogin", "/assets/app.js", "/docs"] {
        let answer = browser.get(path).await;
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            answer.header("referrer-policy"),
            Some("same-origin"),
            "{path}"
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
    }
    for outside in [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/assets",
    ] {
        assert_eq!(browser.get(outside).await.code(), "not_found", "{outside}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_under_way_finish() {
    let key = handstamp::auth::generate_secret_key();
    let workplace = Workplace::new(&[("SECRET_KEY", &key), ("SHUTDOWN_TIMEOUT", "10s")]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let under_way = {
        let browser = browser.clone();
        tokio::spawn(async move { browser.log_in("Ann").await })
    };
    tokio::time::sleep(Duration::from_millis(10)).await;
    let readyz = {
        let browser = browser.clone();
        tokio::spawn(async move {
            loop {
                let answer = browser.get("/readyz").await;
                if answer.status != 200 {
                    return answer.code();
                }
            }
        })
    };
    let status = tokio::task::spawn_blocking(move || process.stop())
        .await
        .unwrap();
    let under_way = under_way.await.unwrap();
    assert_eq!(under_way.status, 200, "{under_way:?}");
    assert_eq!(
        readyz.await.unwrap(),
        "unavailable",
        "seen before it stops accepting"
    );
    assert_eq!(status, Some(0));
}

#[test]
fn production_warns_when_every_client_would_share_one_address() {
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[("APP_ENV", "production"), ("SECRET_KEY", &key)]);
    let warns = |workplace: &Workplace| {
        let process = workplace.serve();
        // What is logged before it serves has been read once it responds.
        process.wait_for_log("serving");
        process.logs().contains("TRUSTED_PROXIES is empty")
    };
    assert!(warns(&workplace));
    workplace.set("TRUSTED_PROXIES", "127.0.0.1");
    assert!(!warns(&workplace));
    workplace.set("APP_ENV", "development");
    workplace.set("TRUSTED_PROXIES", "");
    assert!(!warns(&workplace));
}
