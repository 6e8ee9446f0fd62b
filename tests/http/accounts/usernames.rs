//! Usernames and e-mail addresses that look like somebody else's.

use handstamp::auth::Application;
use serde_json::json;

use crate::helpers::{Answer, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    nobody_signs_up_to_look_like_another,
    an_operator_may_make_any_name,
    one_mailbox_makes_one_account,
);

const UNLIMITED: (&str, &str) = ("SIGNUPS_PER_ADDRESS", "unlimited");

async fn sign_up(server: &Server, name: &str, email: &str) -> Answer {
    let body = json!({"username": name, "email": email, "password": PASSWORD});
    server.browser().post("/signup", body).await
}

async fn nobody_signs_up_to_look_like_another(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    assert_eq!(sign_up(&server, "admin", "a@example.com").await.status, 201);
    for (number, name) in [
        "admin\u{FE0F}",
        "ad\u{FE00}min",
        "admin\u{E01EF}",
        "\u{180B}admin",
        "admin\u{180B}",
        "admin\u{34F}",
        "admin\u{200B}",
        "admin\u{3164}",
        "аdmin",
        "αdmin",
        "ɑdmin",
        "ก\u{E48}\u{E48}\u{E48}\u{E48}\u{E48}",
        "हि\u{93F}\u{93F}",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = sign_up(&server, name, &format!("b{number}@example.com")).await;
        assert_eq!(answer.code(), "invalid", "{name:?}");
        assert!(answer.json()["errors"]["username"].is_array(), "{answer:?}");
    }
    for (number, name) in [
        "Анна",
        "हिन्दी",
        "ภาษาไทย",
        "မြန်မာ",
        "東京タワー",
        "김Kim",
        "Zoë",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = sign_up(&server, name, &format!("c{number}@example.com")).await;
        assert_eq!(answer.status, 201, "{name}");
    }
}

async fn an_operator_may_make_any_name(kind: Kind) {
    let server = Server::start(kind).await;
    // So may accounts from before the rule.
    for name in ["admin\u{FE0F}", "аdmin"] {
        let application = Application::new(name.to_owned()).password(Some(PASSWORD.to_owned()));
        server.accounts().add(application).await.unwrap();
        let browser = server.browser();
        assert_eq!(browser.log_in(name).await.status, 200, "{name:?}");
        assert_eq!(browser.check().await.json()["username"], name);
        let found = server.accounts().find_by_username(name).await.unwrap();
        assert_eq!(found.unwrap().user.username, name);
    }
}

async fn one_mailbox_makes_one_account(kind: Kind) {
    let server = Server::start_with(kind, &[UNLIMITED]).await;
    for (number, email) in ["ann@example.com", "zoë@exämple.de"]
        .into_iter()
        .enumerate()
    {
        let answer = sign_up(&server, &format!("first{number}"), email).await;
        assert_eq!(answer.status, 201, "{email}");
        // It is shown, and used for mail, as it was typed.
        assert_eq!(answer.json()["email"], email);
    }
    for (number, email) in [
        "ANN@example.com",
        "ａｎｎ@example.com",
        "ann@ｅxample.com",
        "zoë@xn--exmple-cua.de",
        "ZOË@XN--EXMPLE-CUA.de",
        "zoë@ＥＸämple.de",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = sign_up(&server, &format!("second{number}"), email).await;
        assert_eq!(answer.code(), "email_taken", "{email}");
    }
    // Another spelling of the same mailbox, and one that could say anything in a mail.
    for email in ["\"ann\"@example.com", "\"ann b\"@example.com"] {
        assert_eq!(sign_up(&server, "third", email).await.code(), "invalid");
    }
}
