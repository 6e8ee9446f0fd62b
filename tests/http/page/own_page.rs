//! The server behind somebody else's page: closed sign-up, no news, a policy of the page's
//! own, and routes that the page alone knows.

use std::path::Path;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use crate::helpers::{
    Answer, Browser, Database, Kind, PASSWORD, Server, Workplace, on_both_databases,
};

on_both_databases!(
    nobody_signs_up_where_it_is_closed,
    the_shortest_password_is_a_setting,
    without_the_news_its_addresses_are_the_pages,
    without_the_news_there_are_none_of_its_tables,
    the_page_has_a_policy_of_its_own,
    navigations_get_the_page_and_others_a_problem,
    a_changed_host_is_explained,
);

pub const INDEX: &str = "<h1>My own page</h1>";

/// A folder with a page, and the name of the folder.
pub fn page() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("index.html", INDEX);
    write("about.html", "<h1>About</h1>");
    write("login-bg.svg", "<svg/>");
    let path = folder.path().to_str().unwrap().to_owned();
    (folder, path)
}

async fn ask(browser: &Browser, method: Method, path: &str, accept: &str) -> Answer {
    let request = browser.request(method, path).header("accept", accept);
    browser.send(request).await
}

/// As a browser does for its address bar.
pub async fn navigate(browser: &Browser, path: &str) -> Answer {
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    ask(browser, Method::GET, path, accept).await
}

async fn nobody_signs_up_where_it_is_closed(kind: Kind) {
    let server = Server::start_with(kind, &[("SIGNUP", "closed")]).await;
    let browser = server.browser();
    let ann = json!({"username": "Ann", "email": "ann@example.com", "password": PASSWORD});
    for body in [ann.clone(), json!({}), json!("not an account")] {
        let answer = browser.post("/signup", body).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.code()),
            (403, "signup_closed")
        );
        assert_eq!(answer.set_session(), None);
    }
    let answer = browser
        .send(browser.request(Method::POST, "/signup").body("{"))
        .await;
    assert_eq!(answer.code(), "signup_closed");
    assert_eq!(server.database.count("users").await, 0);

    let openapi = browser.get("/openapi.json").await.json();
    let responses = openapi["paths"]["/signup"]["post"]["responses"]
        .as_object()
        .unwrap();
    assert!(!responses.contains_key("201"), "{responses:?}");
    let forbidden = responses["403"]["description"].as_str().unwrap();
    assert!(forbidden.contains("`signup_closed`"), "{forbidden}");

    // An operator makes accounts all the same.
    let ann = handstamp::auth::Application::new("Ann").password(PASSWORD.to_owned());
    server.other_process().await.add(ann).await.unwrap();
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn the_shortest_password_is_a_setting(kind: Kind) {
    let server = Server::start_with(kind, &[("PASSWORD_MIN_LENGTH", "15")]).await;
    let browser = server.browser();
    let sign_up = async |password: &str| {
        let body = json!({"username": "Ann", "email": "ann@example.com", "password": password});
        browser.post("/signup", body).await
    };
    let (short, long) = ("plain tea dawn", "plain tea  dawn");
    assert_eq!((short.len(), long.len()), (14, 15));
    let answer = sign_up(short).await;
    assert_eq!(
        answer.json()["errors"]["password"],
        json!(["must be 15 to 256 characters"])
    );
    assert_eq!(sign_up(long).await.status, 201);
    let body = json!({"current_password": long, "new_password": "black coffee 9"});
    let answer = browser.post("/password", body).await;
    assert_eq!(
        answer.json()["errors"]["new_password"],
        json!(["must be 15 to 256 characters"])
    );
    let schemas = browser.get("/openapi.json").await.json()["components"]["schemas"].clone();
    for (schema, field) in [("SignUp", "password"), ("PasswordChange", "new_password")] {
        assert_eq!(schemas[schema]["properties"][field]["minLength"], 15);
    }

    // An account whose password was long enough once still logs in.
    let server = server.restart_with(&[("PASSWORD_MIN_LENGTH", "64")]).await;
    assert_eq!(server.browser().log_in_with("Ann", long).await.status, 200);
    let mut workplace = Workplace::new(&[("SECRET_KEY", &handstamp::auth::generate_secret_key())]);
    for wrong in ["7", "65", "-1", "many"] {
        workplace.set("PASSWORD_MIN_LENGTH", wrong);
        for command in [&["serve"][..], &["user", "list"]] {
            let output = workplace.run(command);
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(text.starts_with("PASSWORD_MIN_LENGTH: must be"), "{text}");
        }
    }
}

async fn without_the_news_its_addresses_are_the_pages(kind: Kind) {
    let (_folder, web_dir) = page();
    let settings = [("NEWS", "off"), ("WEB_DIR", &*web_dir)];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for path in [
        "/login",
        "/dashboard",
        "/post/1",
        "/posts",
        "/posts/1",
        "/signup",
    ] {
        let page = navigate(&browser, path).await;
        assert_eq!((page.status.as_u16(), &*page.text), (200, INDEX), "{path}");
    }
    for (path, code) in [
        ("/dashboard", "not_found"),
        ("/post/1", "not_found"),
        ("/posts", "not_found"),
        ("/posts/1", "not_found"),
        ("/login", "method_not_allowed"),
        ("/signup", "method_not_allowed"),
    ] {
        assert_eq!(browser.get(path).await.code(), code, "{path}");
    }
    assert_eq!(browser.get("/").await.text, INDEX);
    let openapi = browser.get("/openapi.json").await.json();
    let described = openapi["paths"].as_object().unwrap();
    assert!(
        described.keys().all(|path| !path.starts_with("/posts")),
        "{described:?}"
    );
    assert!(described["/login"]["get"].is_null());
    assert!(!openapi["tags"].to_string().contains("news"));
}

async fn without_the_news_there_are_none_of_its_tables(kind: Kind) {
    let database = Database::new(kind).await;
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", &key),
        ("APP_ENV", "production"),
        // Neither read nor unknown.
        ("FREE_READS", "nonsense"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    std::fs::write(workplace.path(".env"), "FREE_READS_WINDOW=soon\n").unwrap();
    let tables = async || match kind {
        Kind::Sqlite => database.count("sqlite_master where name = 'posts'").await,
        Kind::Postgres | Kind::PgBouncer => {
            database.count("pg_tables where tablename = 'posts'").await
        }
    };
    let process = workplace.serve();
    process.wait_for_log("serving");
    let logs = process.logs();
    assert!(!logs.contains("FREE_READS_WINDOW"), "{logs}");
    assert_eq!(process.browser().get("/posts").await.code(), "not_found");
    process.stop();
    assert!(workplace.run(&["migrate"]).status.success());
    assert!(workplace.run(&["user", "list"]).status.success());
    assert_eq!(tables().await, 0);

    workplace.set("NEWS", "on");
    let named = String::from_utf8(workplace.run(&["serve"]).stderr).unwrap();
    assert!(
        named.contains("FREE_READS: ") && named.contains("FREE_READS_WINDOW: "),
        "{named}"
    );
    std::fs::remove_file(workplace.path(".env")).unwrap();
    workplace.set("FREE_READS", "");
    let process = workplace.serve();
    assert_eq!(process.browser().get("/posts").await.status, 200);
    process.stop();
    assert_eq!(tables().await, 1);
}

async fn the_page_has_a_policy_of_its_own(kind: Kind) {
    let (_folder, web_dir) = page();
    let settings = [("WEB_DIR", &*web_dir)];
    let server = Server::start_with(kind, &settings).await;
    let policy = async |server: &Server, path: &str| {
        let answer = navigate(&server.browser(), path).await;
        answer.header("content-security-policy").unwrap().to_owned()
    };
    let of_page = policy(&server, "/").await;
    assert!(of_page.contains("font-src 'self'"), "{of_page}");
    let of_api = policy(&server, "/checklogin").await;
    for name in ["default-src", "object-src", "base-uri", "frame-ancestors"] {
        let none = format!("{name} 'none'");
        assert!(of_page.contains(&none), "{of_page}");
        assert!(of_api.contains(&none), "{of_api}");
    }
    let own = "default-src 'self' https://fonts.example; object-src 'none'";
    let server = server.restart_with(&[settings[0], ("PAGE_CSP", own)]).await;
    for path in ["/", "/login", "/settings", "/about.html", "/login-bg.svg"] {
        assert_eq!(policy(&server, path).await, own, "{path}");
    }
    assert_eq!(policy(&server, "/checklogin").await, of_api);
    let workplace = Workplace::new(&[("PAGE_CSP", "default-src 'self' https://é.example")]);
    let output = workplace.run(&["serve"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("PAGE_CSP: must be"), "{text}");
}

async fn navigations_get_the_page_and_others_a_problem(kind: Kind) {
    let (folder, web_dir) = page();
    let server = Server::start_with(kind, &[("WEB_DIR", &*web_dir)]).await;
    let browser = server.browser();
    for path in [
        "/settings",
        "/signup",
        "/a/b/c",
        "/logout",
        "/settings/",
        "/login?next=%2F",
    ] {
        let page = navigate(&browser, path).await;
        assert_eq!((page.status.as_u16(), &*page.text), (200, INDEX), "{path}");
        let head = ask(&browser, Method::HEAD, path, "text/html").await;
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(
            head.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(head.text, "");
    }
    for accept in ["*/*", "application/json", "image/avif,image/webp,*/*;q=0.8"] {
        let answer = ask(&browser, Method::GET, "/settings", accept).await;
        assert_eq!(answer.code(), "not_found", "{accept}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = ask(&browser, method.clone(), "/settings", "text/html").await;
        assert_eq!(answer.code(), "not_found", "{method}");
    }
    assert_eq!(
        ask(&browser, Method::PUT, "/signup", "text/html")
            .await
            .code(),
        "method_not_allowed"
    );
    // Files and the API's own addresses come first.
    assert_eq!(
        navigate(&browser, "/about.html").await.text,
        "<h1>About</h1>"
    );
    assert_eq!(navigate(&browser, "/login-bg.svg").await.text, "<svg/>");
    assert_eq!(navigate(&browser, "/sessions").await.reason(), "no_cookie");
    assert_eq!(
        navigate(&browser, "/healthz").await.json(),
        json!({"status": "ok"})
    );
    assert!(navigate(&browser, "/docs").await.text.contains("swagger"));
    assert_eq!(
        navigate(&browser, "/docs/nowhere.js").await.code(),
        "not_found"
    );
    // What is hidden is no file, and the page is no secret.
    std::fs::write(Path::new(&web_dir).join(".secret"), "a secret").unwrap();
    assert_eq!(navigate(&browser, "/.secret").await.text, INDEX);
    drop(folder);
}

async fn a_changed_host_is_explained(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let ask = async |headers: &[(&str, &str)]| {
        let request = browser.request(Method::DELETE, "/logout");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let answer = browser.send(request).await;
        assert_eq!(answer.code(), "cross_site");
        answer.json()["detail"].as_str().unwrap().to_owned()
    };
    // A proxy that was not told to pass Host on.
    let detail = ask(&[("origin", "http://app.example")]).await;
    for cure in [
        "proxy_set_header Host $host",
        "changeOrigin",
        "X-Forwarded-Proto",
    ] {
        assert!(detail.contains(cure), "{detail}");
    }
    // The browser itself says that the page is another site's.
    let detail = ask(&[
        ("origin", "http://app.example"),
        ("sec-fetch-site", "cross-site"),
    ])
    .await;
    assert!(
        detail.contains("ALLOWED_ORIGINS") && !detail.contains("proxy"),
        "{detail}"
    );
}
