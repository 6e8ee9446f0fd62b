//! /openapi.json describes this server, and /docs loads nothing from outside.

use serde_json::{Value, json};

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(every_route_is_described, the_page_is_served_from_memory);

async fn every_route_is_described(kind: Kind) {
    let server = Server::start(kind).await;
    let openapi = server.browser().get("/openapi.json").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let paths = openapi["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(format!("{method} {path}"));
            check_operation(path, method, operation);
        }
    }
    operations.sort_unstable();
    assert_eq!(
        operations,
        [
            "delete /account",
            "delete /logout",
            "delete /passkeys/{id}",
            "delete /posts/{id}",
            "delete /posts/{id}/comments/{comment_id}",
            "delete /posts/{id}/vote",
            "delete /sessions",
            "delete /sessions/{id}",
            "delete /totp",
            "get /checklogin",
            "get /healthz",
            "get /login",
            "get /passkeys",
            "get /posts",
            "get /posts/{id}",
            "get /readyz",
            "get /session",
            "get /session/events",
            "get /sessions",
            "get /totp",
            "patch /passkeys/{id}",
            "patch /posts/{id}",
            "post /device/refresh",
            "post /device/register",
            "post /email",
            "post /email/verification",
            "post /email/verify",
            "post /login",
            "post /login/passkey",
            "post /login/passkey/options",
            "post /login/recovery-code",
            "post /login/totp",
            "post /passkeys",
            "post /passkeys/options",
            "post /password",
            "post /password/forgot",
            "post /password/reset",
            "post /posts",
            "post /posts/{id}/comments",
            "post /reauthenticate",
            "post /reauthenticate/passkey",
            "post /reauthenticate/passkey/options",
            "post /recovery-codes",
            "post /signup",
            "post /totp",
            "post /totp/confirm",
            "put /posts/{id}/vote",
        ]
    );
    for path in ["/login", "/login/passkey"] {
        let refused = &paths[path]["post"]["responses"]["403"]["description"];
        let refused = refused.as_str().unwrap();
        assert!(
            refused.contains("`email_not_verified`"),
            "{path}: {refused}"
        );
    }
    let cookie = &openapi["components"]["securitySchemes"]["session"];
    assert_eq!(
        (&cookie["type"], &cookie["in"], &cookie["name"]),
        (&json!("apiKey"), &json!("cookie"), &json!("session"))
    );
    let text = openapi.to_string();
    for schema in [
        "User",
        "Problem",
        "SignUp",
        "LogIn",
        "OwnSession",
        "PasswordChange",
        "PasswordProof",
        "SessionInfo",
    ] {
        assert!(
            text.contains(&format!("#/components/schemas/{schema}\"")),
            "{schema}"
        );
        assert!(
            openapi["components"]["schemas"][schema].is_object(),
            "{schema}"
        );
    }
}

fn check_operation(path: &str, method: &str, operation: &Value) {
    assert!(operation["summary"].is_string(), "{method} {path}");
    let responses = operation["responses"].as_object().unwrap();
    let has = |status: &str| assert!(responses.contains_key(status), "{method} {path}: {status}");
    has("500");
    has("503");
    if method != "get" {
        has("403");
    }
    if operation["requestBody"].is_object() {
        for status in ["400", "408", "413", "415", "422"] {
            has(status);
        }
    }
    if responses.contains_key("401") {
        let security = operation["security"].as_array().unwrap();
        assert!(
            security.contains(&json!({"session": []})),
            "{method} {path}"
        );
    }
    for status in ["429", "503"] {
        if let Some(response) = responses.get(status) {
            let headers = response["headers"].as_object().unwrap();
            let names: Vec<_> = headers.keys().collect();
            assert_eq!(names, ["Retry-After"], "{method} {path}");
        }
    }
    for (status, response) in responses {
        if status.starts_with(['4', '5']) {
            let problem = &response["content"]["application/problem+json"];
            let example = &problem["examples"]
                .as_object()
                .and_then(|all| all.values().next());
            let example = example.unwrap_or_else(|| panic!("{method} {path} {status}"));
            assert_eq!(example["value"]["status"].to_string(), *status);
        }
    }
}

async fn the_page_is_served_from_memory(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    for path in ["/docs", "/docs/"] {
        let page = browser.get(path).await;
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let links = page
            .text
            .split(['"'])
            .filter(|text| text.contains('/') && !text.contains('<'));
        let links: Vec<_> = links
            .filter(|link| link.starts_with('/') || link.contains("://"))
            .collect();
        assert!(links.len() >= 4, "{links:?}");
        for link in links {
            assert_eq!(browser.get(link).await.status, 200, "{link}");
        }
    }
    let script = browser.get("/docs/swagger-ui-bundle.js").await;
    assert_eq!(script.header("content-encoding"), Some("gzip"));
    assert!(
        script.text.len() < 800_000,
        "compressed: {}",
        script.text.len()
    );
    let start = browser.get("/docs/swagger-initializer.js").await.text;
    assert!(start.contains("/openapi.json"), "{start}");
    assert!(
        start.contains("\"validatorUrl\": \"none\""),
        "it asks nobody outside: {start}"
    );
}
