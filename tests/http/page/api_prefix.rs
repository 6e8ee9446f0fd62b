//! The API below a prefix, and a page that learns it.

use std::path::Path;

use serde_json::json;

use super::own_page::{INDEX, navigate, page};
use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(the_api_lives_below_its_prefix, a_page_can_learn_its_prefix,);

async fn the_api_lives_below_its_prefix(kind: Kind) {
    let (_folder, web_dir) = page();
    for news in ["off", "on"] {
        let settings = [
            ("NEWS", news),
            ("WEB_DIR", &*web_dir),
            ("API_PREFIX", "/api"),
        ];
        let server = Server::start_with(kind, &settings).await;
        let browser = server.browser();
        let ann = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
        let answer = browser.post("/api/signup", ann.clone()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap();
        assert!(
            cookie.contains("; Path=/;") || cookie.ends_with("; Path=/"),
            "{cookie}"
        );
        assert_eq!(
            browser.get("/api/checklogin").await.json()["username"],
            "Ann"
        );
        assert_eq!(browser.delete("/api/logout/").await.status, 200);
        let log_in = json!({"username": "Ann", "password": PASSWORD});
        assert_eq!(browser.post("/api/login/", log_in).await.status, 200);
        assert_eq!(browser.get("/api/sessions").await.status, 200);
        let posts = browser.get("/api/posts").await.status.as_u16();
        assert_eq!(posts, if news == "on" { 200 } else { 404 });

        // Below it all is the API's, elsewhere nothing is.
        for path in ["/api", "/api/nowhere", "/api/login/x"] {
            assert_eq!(navigate(&browser, path).await.code(), "not_found", "{path}");
        }
        assert_eq!(
            navigate(&browser, "/api/signup").await.code(),
            "method_not_allowed"
        );
        for path in [
            "/login",
            "/checklogin",
            "/sessions",
            "/signup",
            "/apis",
            "/settings",
        ] {
            let page = navigate(&browser, path).await;
            assert_eq!((page.status.as_u16(), &*page.text), (200, INDEX), "{path}");
            assert_eq!(page.header("allow"), None, "{path}");
        }
        for path in ["/checklogin", "/sessions", "/posts", "/login"] {
            assert_eq!(browser.get(path).await.code(), "not_found", "{path}");
        }
        assert_eq!(browser.post("/login", ann).await.code(), "not_found");
        assert_eq!(browser.get("/login-bg.svg").await.text, "<svg/>");

        // Probes and the description are at either place.
        for prefix in ["", "/api"] {
            for path in ["/healthz", "/readyz", "/openapi.json"] {
                let answer = browser.get(&format!("{prefix}{path}")).await;
                assert_eq!(answer.status, 200, "{prefix}{path}");
            }
            let docs = browser.get(&format!("{prefix}/docs")).await.text;
            assert!(
                docs.contains(&format!("\"{prefix}/docs/swagger-ui.css\"")),
                "{docs}"
            );
            let style = browser.get(&format!("{prefix}/docs/swagger-ui.css")).await;
            assert_eq!(style.status, 200);
        }
        let openapi = browser.get("/openapi.json").await.json();
        assert_eq!(openapi["servers"], json!([{"url": "/api"}]));
        assert!(openapi["paths"]["/login"]["post"].is_object());
        assert!(openapi["paths"]["/login"]["get"].is_null());
    }
}

async fn a_page_can_learn_its_prefix(kind: Kind) {
    let (_folder, web_dir) = page();
    let with_tag = |prefix: &str| format!("<meta name=\"api-prefix\" content=\"{prefix}\" />");
    std::fs::write(Path::new(&web_dir).join("index.html"), with_tag("")).unwrap();
    let settings = [("WEB_DIR", &*web_dir), ("API_PREFIX", "/api")];
    let server = Server::start_with(kind, &settings).await;
    for path in [
        "/",
        "/settings",
        "/login",
        "/dashboard",
        "/post/1",
        "/index.html",
    ] {
        let answer = navigate(&server.browser(), path).await;
        assert_eq!(answer.text, with_tag("/api"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        // A page of before a changed prefix must not be taken for this one.
        for header in ["etag", "last-modified"] {
            assert_eq!(answer.header(header), None, "{path}");
        }
    }
    let server = server.restart_with(&settings[..1]).await;
    assert_eq!(navigate(&server.browser(), "/").await.text, with_tag(""));
}
