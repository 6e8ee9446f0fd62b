//! Claims of docs/security.md that apply to this server alone.

use std::time::Duration;

use axum::{Router, routing::get};
use futures_util::{StreamExt, stream};
use handstamp::{auth::AccountState, server::Config};
use reqwest::Method;
use serde_json::json;

use crate::helpers::{Answer, Browser, Kind, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    failed_logins_are_indistinguishable,
    passwords_are_kept_as_argon2id,
    passwords_are_long_enough_and_hard_to_guess,
    deleted_and_disabled_users_are_out_at_once,
    unknown_fields_change_nothing,
    allowed_origins_are_exact,
    ten_thousand_bad_cookies_make_no_row,
    ids_of_sessions_are_not_shown,
    reasons_tell_a_developer_what_to_look_at,
    a_panic_gets_500_and_the_process_survives,
    nobody_has_an_account_from_the_start,
    safe_methods_change_nothing,
    responses_are_isolated_from_other_origins,
    the_cookie_is_small_enough_for_every_browser,
);

const PRODUCTION: (&str, &str) = ("APP_ENV", "production");

/// Accounts that "a wrong password" does not open, each for another reason.
async fn unlucky_accounts(server: &Server) -> [&'static str; 4] {
    for name in ["Wrong", "Disabled", "Passwordless"] {
        server.browser().sign_up(name).await;
    }
    let disabled = find_user(server.accounts(), "Disabled").await;
    server
        .accounts()
        .set_state(&disabled, AccountState::Disabled)
        .await
        .unwrap();
    let no_password = "update users set password_hash = null where username = 'Passwordless'";
    server.database.execute(no_password).await;
    ["Wrong", "Disabled", "Passwordless", "Unknown"]
}

async fn failed_logins_are_indistinguishable(kind: Kind) {
    let server = Server::start(kind).await;
    let shown = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        let id = headers.remove("x-request-id");
        assert!(id.is_some());
        format!("{} {headers:?} {}", answer.status, answer.text)
    };
    let mut answers = Vec::new();
    for name in unlucky_accounts(&server).await {
        for _ in 0..11 {
            answers.push(shown(
                &server.browser().log_in_with(name, "a wrong password").await,
            ));
        }
    }
    for others in answers.chunks(11) {
        assert_eq!(others[..10], answers[..10]);
        assert!(others[10].contains("too_many_attempts"), "{}", others[10]);
    }
}

async fn passwords_are_kept_as_argon2id(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Ben").await;
    let hash = async |name: &str| {
        let sql = format!("select password_hash from users where username = '{name}'");
        server.database.text(&sql).await.unwrap()
    };
    let (ann, ben) = (hash("Ann").await, hash("Ben").await);
    assert!(ann.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ann}");
    assert_ne!(ann, ben, "the same password, another salt");
}

async fn sign_up_with(server: &Server, number: usize, password: &str) -> Answer {
    let name = format!("user{number}");
    let email = format!("{name}@example.com");
    let body = json!({"username": name, "email": email, "password": password});
    server.browser().post("/signup", body).await
}

async fn passwords_are_long_enough_and_hard_to_guess(kind: Kind) {
    let server = Server::start(kind).await;
    let too_long = "long and hard to guess ".repeat(12);
    for (number, weak) in [
        "",
        "1234567",
        "password",
        "12345678",
        "user4user4",
        &too_long,
    ]
    .into_iter()
    .enumerate()
    {
        let answer = sign_up_with(&server, number, weak).await;
        assert_eq!(answer.status, 422, "{weak}");
        assert!(answer.json()["errors"]["password"].is_array(), "{answer:?}");
    }
    let long = &too_long[..256];
    for (number, good) in [
        "plain tea at dawn",
        "смешно и длинно 42",
        "   spaces   at   ends   ",
        long,
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            sign_up_with(&server, number, good).await.status,
            201,
            "{good}"
        );
        let browser = server.browser();
        let name = format!("user{number}");
        assert_eq!(browser.log_in_with(&name, good).await.status, 200, "{good}");
        let other = format!("{good}x");
        assert_eq!(
            browser.log_in_with(&name, &other).await.status,
            400,
            "{good}"
        );
    }
}

async fn deleted_and_disabled_users_are_out_at_once(kind: Kind) {
    let server = Server::start(kind).await;
    let (ann, ben) = (server.browser(), server.browser());
    ann.sign_up("Ann").await;
    ben.sign_up("Ben").await;
    let user = find_user(server.accounts(), "Ann").await;
    server
        .accounts()
        .set_state(&user, AccountState::Disabled)
        .await
        .unwrap();
    assert_eq!(ann.check().await.reason(), "user_gone");
    server
        .database
        .execute("delete from users where username = 'Ben'")
        .await;
    // A change by another process applies within a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ben.check().await.reason(), "user_gone");
}

async fn unknown_fields_change_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let body = json!({
        "username": "Ann", "email": "ann@example.com", "password": PASSWORD,
        "id": "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60", "created_at": "2000-01-01T00:00:00Z",
        "user_id": 1, "role": "admin", "password_hash": "x",
    });
    let answer = browser.post("/signup", body).await;
    assert_eq!(answer.status, 201);
    assert_ne!(answer.json()["id"], "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60");
    assert!(answer.json()["created_at"].as_str().unwrap() > "2026");
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn allowed_origins_are_exact(kind: Kind) {
    let server = Server::start_with(kind, &[("ALLOWED_ORIGINS", "https://app.example")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let ask = async |method: Method, origin: &str| {
        let path = if method == Method::GET {
            "/checklogin"
        } else {
            "/sessions"
        };
        browser
            .send(browser.request(method, path).header("origin", origin))
            .await
    };
    let allowed = ask(Method::GET, "https://app.example").await;
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert_eq!(
        allowed.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(ask(Method::DELETE, "https://app.example").await.status, 204);
    for origin in [
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://www.app.example",
        "null",
    ] {
        let answer = ask(Method::GET, origin).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
        assert_eq!(
            ask(Method::DELETE, origin).await.code(),
            "cross_site",
            "{origin}"
        );
    }
}

async fn ten_thousand_bad_cookies_make_no_row(kind: Kind) {
    let server = Server::start(kind).await;
    let (live, over) = (server.browser(), server.browser());
    over.sign_up("Ann").await;
    let over = over.session().unwrap();
    server.clock.advance(Duration::from_secs(15 * 24 * 60 * 60));
    live.sign_up("Ben").await;
    let before = server.database.count("sessions").await;
    let bare = server.browser();
    let cookie = |number: usize| match number % 4 {
        // To log out with it would rightly remove its row.
        0 if !number.is_multiple_of(10) => format!("session={over}"),
        1 => format!("session={}{number:04}", &over[..over.len() - 4]),
        2 => format!("session={:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        _ => format!("session={}", "A".repeat(number % 400)),
    };
    let requests = stream::iter(0..10_000).map(|number| {
        let method = if number % 10 == 0 {
            Method::DELETE
        } else {
            Method::GET
        };
        let path = ["/logout", "/checklogin", "/posts", "/sessions", "/login"][number % 5];
        let path = if method == Method::DELETE {
            "/logout"
        } else {
            path
        };
        let request = bare.request(method, path).header("cookie", cookie(number));
        async move { request.send().await.unwrap().status().as_u16() }
    });
    let statuses: Vec<u16> = requests.buffer_unordered(16).collect().await;
    assert!(statuses.iter().all(|status| *status < 500));
    assert_eq!(server.database.count("sessions").await, before);
    assert_eq!(live.check().await.status, 200);
}

async fn ids_of_sessions_are_not_shown(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let id = browser.session().unwrap()[66..].to_owned();
    let stored = server
        .database
        .text("select id from sessions")
        .await
        .unwrap();
    assert_eq!(id, stored);
    for path in ["/session", "/sessions", "/checklogin", "/posts"] {
        assert!(!browser.get(path).await.text.contains(&id), "{path}");
    }
    let by_secret = browser.delete(&format!("/sessions/{id}")).await;
    assert_eq!(by_secret.status, 404);
}

async fn reasons_tell_a_developer_what_to_look_at(kind: Kind) {
    let server = Server::start(kind).await;
    let ask = async |server: &Server, headers: &[(&str, &str)]| {
        let browser = Browser::new(&server.base);
        let request = browser.request(Method::GET, "/checklogin");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        browser.send(request).await.json()["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let detail = ask(&server, &[("host", "localhost:3000")]).await;
    assert!(
        detail.contains("this request was sent to `localhost`"),
        "{detail}"
    );
    let detail = ask(&server, &[("origin", "http://localhost:3000")]).await;
    assert!(
        detail.contains("A page of `localhost` sent it to `127.0.0.1`"),
        "{detail}"
    );
    for host in ["<script>", "a b", "\u{e9}"] {
        let detail = ask(&server, &[("host", host)]).await;
        assert!(!detail.contains(host), "{detail}");
    }

    let settings = [PRODUCTION, ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(kind, &settings).await;
    let plain = ask(&server, &[]).await;
    assert!(plain.contains("over plain http"), "{plain}");
    let secure = ask(&server, &[("x-forwarded-proto", "https")]).await;
    assert!(!secure.contains("over plain http"), "{secure}");
    let untrusting = Server::start_with(kind, &[PRODUCTION]).await;
    let forged = ask(&untrusting, &[("x-forwarded-proto", "https")]).await;
    assert!(forged.contains("over plain http"), "{forged}");
}

async fn a_panic_gets_500_and_the_process_survives(kind: Kind) {
    let key = (
        "SECRET_KEY".to_owned(),
        handstamp::auth::generate_secret_key(),
    );
    let config = Config::for_server(&[key].into_iter().collect()).unwrap();
    let server = Server::start_app(kind, &[], |auth| {
        let panicking = get(async || -> String { panic!("the secret is 42") });
        let router = Router::new().route("/panic", panicking).layer(auth.layer());
        config.layers().wrap(router.merge(auth.router())).unwrap()
    })
    .await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    for _ in 0..3 {
        let answer = browser.get("/panic").await;
        assert_eq!(answer.code(), "internal_server_error");
        assert!(!answer.text.contains("42"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(browser.check().await.status, 200);
    }
}

async fn nobody_has_an_account_from_the_start(kind: Kind) {
    let server = Server::start_with(kind, &[PRODUCTION]).await;
    assert_eq!(server.database.count("users").await, 0);
}

async fn safe_methods_change_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    let user = browser.sign_up("Ann").await.json();
    for path in ["/logout", "/password", "/signup", "/sessions"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            browser.send(browser.request(method, path)).await;
        }
    }
    assert_eq!(browser.check().await.json(), user);
    assert_eq!(server.database.count("users").await, 1);
    assert_eq!(server.database.count("sessions").await, 1);
}

async fn responses_are_isolated_from_other_origins(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    for path in ["/", "/checklogin", "/posts", "/login", "/nothing"] {
        let answer = browser.get(path).await;
        for header in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            assert_eq!(answer.header(header), Some("same-origin"), "{path}");
        }
    }
}

async fn the_cookie_is_small_enough_for_every_browser(kind: Kind) {
    let server = Server::start_with(kind, &[PRODUCTION]).await;
    let answer = server.browser().sign_up("Ann").await;
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.len() < 4096, "{cookie}");
}
