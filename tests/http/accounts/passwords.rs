//! Passwords: which are accepted, how they are changed, and what a full queue of hashes does.

use futures_util::future::join_all;
use serde_json::json;

use crate::helpers::{Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    a_change_renews_this_session_and_ends_the_others,
    logging_out_with_the_id_before_a_change_logs_out,
    an_operator_has_the_last_word,
    refused_changes_change_nothing,
    nothing_is_trimmed_or_cut,
    passwordless_accounts,
    logins_that_cannot_be_hashed_in_time_get_503,
    a_cheaper_hash_is_upgraded_on_login,
);

const NEW: &str = "black coffee by noon";

async fn a_change_renews_this_session_and_ends_the_others(kind: Kind) {
    let server = Server::start(kind).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.log_in("Ann").await;
    let old = format!("session={}", browser.session().unwrap());

    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    let answer = browser.post("/password", body).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(browser.check().await.status, 200);
    assert_eq!(browser.check_with(&old).await.reason(), "unknown_session");
    assert_eq!(other.check().await.reason(), "unknown_session");
    assert_eq!(other.log_in("Ann").await.code(), "bad_credentials");
    assert_eq!(other.log_in_with("Ann", NEW).await.status, 200);
}

async fn logging_out_with_the_id_before_a_change_logs_out(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let old = format!("session={}", browser.session().unwrap());
    let listed = async || browser.get("/sessions").await.json()["sessions"][0].clone();
    let before = listed().await;
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(browser.post("/password", body).await.status, 204);
    let after = listed().await;
    assert_eq!(
        (&after["id"], &after["created_at"]),
        (&before["id"], &before["created_at"])
    );

    // As a logout does that was sent before the response to the change.
    let other = server.browser();
    let log_out = other
        .request(reqwest::Method::DELETE, "/logout")
        .header("cookie", old);
    assert_eq!(other.send(log_out).await.status, 200);
    assert_eq!(browser.check().await.reason(), "unknown_session");
}

async fn an_operator_has_the_last_word(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let accounts = server.other_process().await;
    let ann = accounts.find_by_username("Ann").await.unwrap().unwrap();
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    assert_eq!(browser.post("/password", body).await.status, 204);
    accounts
        .set_password(&ann.user, "green tea after lunch".into())
        .await
        .unwrap();
    assert_eq!(browser.check().await.reason(), "unknown_session");
    assert_eq!(browser.log_in_with("Ann", NEW).await.status, 400);
    assert_eq!(
        browser
            .log_in_with("Ann", "green tea after lunch")
            .await
            .status,
        200
    );
}

async fn refused_changes_change_nothing(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let change = async |current: &str, new: &str| {
        browser
            .post(
                "/password",
                json!({"current_password": current, "new_password": new}),
            )
            .await
    };
    assert_eq!(change("wrong", NEW).await.code(), "bad_credentials");
    for weak in ["short", "password1234", "ann@example.com", &"x".repeat(257)] {
        let answer = change(PASSWORD, weak).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (422, "invalid".into()),
            "{weak}"
        );
        assert!(
            answer.json()["errors"]["new_password"].is_array(),
            "{answer:?}"
        );
    }
    for body in [json!({"current_password": "x"}), json!({}), json!(null)] {
        assert_eq!(
            server.browser().post("/password", body).await.reason(),
            "no_cookie"
        );
    }
    let answer = browser.post("/password", json!({})).await;
    let errors = answer.json()["errors"].as_object().unwrap().clone();
    assert_eq!(
        errors.keys().collect::<Vec<_>>(),
        ["current_password", "new_password"]
    );
    assert_eq!(browser.check().await.status, 200);
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn nothing_is_trimmed_or_cut(kind: Kind) {
    let server = Server::start(kind).await;
    let long = format!(" {}✓\0end ", "blue fox and green owl, ".repeat(10));
    assert!(long.chars().count() <= 256 && long.len() > 200);
    let body = json!({"username": "Ann", "email": "ann@example.com", "password": long});
    assert_eq!(server.browser().post("/signup", body).await.status, 201);
    let without_last = &long[..long.len() - 1];
    for wrong in [
        long.trim(),
        without_last,
        &long.replace('\0', ""),
        &long.to_uppercase(),
    ] {
        assert_eq!(
            server.browser().log_in_with("Ann", wrong).await.status,
            400,
            "{wrong:?}"
        );
    }
    assert_eq!(server.browser().log_in_with("Ann", &long).await.status, 200);
}

async fn passwordless_accounts(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = handstamp::auth::Application::new("Ann");
    server.accounts().add(ann).await.unwrap();
    server.browser().sign_up("Ben").await;
    let by_name = json!({"username": "Ann"});
    let refused = server.browser().post("/login", by_name.clone()).await;
    assert_eq!(refused.code(), "bad_credentials", "off by default");

    let server = server.restart_with(&[("PASSWORDLESS_LOGIN", "on")]).await;
    let browser = server.browser();
    let answer = browser.post("/login", by_name).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["email"]),
        (200, &json!(null))
    );
    for body in [
        json!({"username": "Ann", "password": ""}),
        json!({"username": "Ann", "password": "anything at all"}),
        json!({"username": "Ben"}),
        json!({"username": ""}),
    ] {
        assert_eq!(
            server.browser().post("/login", body).await.code(),
            "bad_credentials"
        );
    }
    // Nor can a password be set from a session that was opened without one.
    let body = json!({"current_password": "guess", "new_password": NEW});
    assert_eq!(
        browser.post("/password", body).await.code(),
        "bad_credentials"
    );
}

async fn logins_that_cannot_be_hashed_in_time_get_503(kind: Kind) {
    let settings = [
        ("PASSWORD_HASHES_AT_ONCE", "1"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "unlimited"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ];
    let server = Server::start_with(kind, &settings).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let log_ins = (0..400).map(|_| {
        let browser = browser.clone();
        async move { browser.log_in_with("Ann", "wrong").await }
    });
    let storm = tokio::spawn(join_all(log_ins));
    // Users who are logged in do not wait for it.
    for _ in 0..20 {
        assert_eq!(browser.patient().check().await.status, 200);
    }
    let (mut refused, mut busy) = (0, 0);
    for answer in storm.await.unwrap() {
        match &*answer.code() {
            "bad_credentials" => refused += 1,
            "busy" => {
                assert_eq!(answer.status, 503);
                assert_eq!(answer.header("retry-after"), Some("3"));
                busy += 1;
            }
            // So many wait for the database as well, on a busy machine.
            other => assert_eq!(other, "unavailable"),
        }
    }
    assert!(refused > 0 && busy > 0, "{refused} done, {busy} sent away");
}

async fn a_cheaper_hash_is_upgraded_on_login(kind: Kind) {
    use argon2::{Argon2, Params, password_hash::PasswordHasher};
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cheap = Argon2::from(Params::new(8 * 1024, 1, 1, None).unwrap());
    let hash = cheap
        .hash_password(PASSWORD.as_bytes())
        .unwrap()
        .to_string();
    server
        .database
        .execute(&format!("update users set password_hash = '{hash}'"))
        .await;

    assert_eq!(browser.log_in_with("Ann", "wrong").await.status, 400);
    let stored = async || {
        server
            .database
            .text("select password_hash from users")
            .await
            .unwrap()
    };
    assert_eq!(stored().await, hash);
    assert_eq!(browser.log_in("Ann").await.status, 200);
    assert!(
        stored()
            .await
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert_eq!(browser.log_in("Ann").await.status, 200);
}
