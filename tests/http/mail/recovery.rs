//! A forgotten password: the link, what it is good for, and that nobody learns who has an account.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use handstamp::auth::{AccountState, Application};
use serde_json::json;

use crate::helpers::{
    Answer, Browser, Database, EventStream, Kind, MailServer, PASSWORD, PUBLIC_URL, Server,
    find_user, on_both_databases,
};

on_both_databases!(
    a_link_sets_a_new_password_once,
    open_pages_say_that_the_password_was_changed,
    a_link_is_used_by_one_of_fifty,
    links_expire_and_die_with_the_password_and_the_address,
    nobody_learns_who_has_an_account,
    limits_count_alike_whether_there_is_an_account_or_not,
    a_forged_host_changes_no_link,
);

pub const NEW: &str = "black coffee by noon";

pub async fn forgot(browser: &Browser, email: &str) -> Answer {
    browser
        .post("/password/forgot", json!({"email": email}))
        .await
}

pub async fn reset(browser: &Browser, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "new_password": password});
    browser.post("/password/reset", body).await
}

/// A link to choose a new password, for an account of this name.
async fn ask(mail: &MailServer, server: &Server, name: &str, number: usize) -> String {
    let email = format!("{name}@example.com");
    assert_eq!(forgot(&server.browser(), &email).await.status, 202);
    loop {
        let received = mail.received_by(&email).into_iter();
        let links: Vec<_> = received
            .filter(|mail| mail.subject().contains("Choose a new password"))
            .collect();
        if let Some(mail) = links.get(number - 1) {
            return mail.token();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_link_sets_a_new_password_once(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let (browser, other) = (server.browser(), server.browser());
    browser.sign_up("Ann").await;
    other.log_in("Ann").await;
    assert_eq!(browser.check().await.json()["email_verified"], false);

    // However the address is spelled, the link goes to it as its owner has typed it.
    let answer = forgot(&server.browser(), "ANN@example.com").await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
    let received = mail
        .with_subject("ann@example.com", "Choose a new password")
        .await;
    assert!(!received.text().contains("Ann"), "not verified yet");
    let link = format!("{PUBLIC_URL}/reset-password#token=");
    assert!(received.link().starts_with(&link), "{}", received.link());
    let token = received.token();

    let stranger = server.browser();
    for (body, fields) in [
        (json!({}), &["new_password", "token"][..]),
        (
            json!({"token": token, "new_password": ""}),
            &["new_password"],
        ),
        (
            json!({"token": token, "new_password": "password1234"}),
            &["new_password"],
        ),
        (
            json!({"token": token, "new_password": "ann@example.com"}),
            &["new_password"],
        ),
    ] {
        let answer = stranger.post("/password/reset", body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        let errors = answer.json()["errors"].as_object().unwrap().clone();
        assert_eq!(errors.keys().collect::<Vec<_>>(), fields);
    }
    for wrong in [
        "x",
        &token[1..],
        &format!("{token}="),
        &token.to_uppercase(),
    ] {
        let answer = reset(&stranger, wrong, NEW).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "bad_token".into())
        );
    }
    let answer = stranger
        .post("/email/verify", json!({"token": token}))
        .await;
    assert_eq!(answer.code(), "bad_token", "it is for a password");
    assert_eq!(browser.check().await.status, 200);

    let answer = reset(&stranger, &token, NEW).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (204, ""));
    assert_eq!(
        answer.header("set-cookie"),
        None,
        "nobody is logged in by it"
    );
    for browser in [&browser, &other] {
        assert_eq!(browser.check().await.reason(), "unknown_session");
    }
    assert_eq!(reset(&stranger, &token, NEW).await.code(), "bad_token");
    assert_eq!(other.log_in("Ann").await.code(), "bad_credentials");
    let answer = other.log_in_with("Ann", NEW).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json()["email_verified"],
        true,
        "the link was opened there"
    );
    mail.with_subject("ann@example.com", "Your password was changed")
        .await;
}

async fn open_pages_say_that_the_password_was_changed(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let url = server.database.url.clone();
    let node = Server::start_on(Database::at(&url), &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let cookie = format!("session={}", browser.session().unwrap());
    let here = EventStream::open(&browser).await;
    let there = EventStream::open_with(&node.browser(), &cookie).await;
    let token = ask(&mail, &server, "ann", 1).await;
    assert_eq!(reset(&server.browser(), &token, NEW).await.status, 204);
    assert_eq!(here.reason().await, "password_changed");
    assert_eq!(there.reason().await, "password_changed");
}

async fn a_link_is_used_by_one_of_fifty(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    server.browser().sign_up("Ann").await;
    let token = ask(&mail, &server, "ann", 1).await;
    let resets = (0..50).map(|number| {
        let (browser, token) = (server.browser(), token.clone());
        async move {
            let answer = reset(&browser, &token, &format!("black coffee by noon {number}")).await;
            (number, answer)
        }
    });
    let answers = join_all(resets).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|(_, answer)| answer.status == 204);
    assert!(won.len() <= 1, "{won:?}");
    // With this many hashes at once, some wait too long and are sent away.
    for (_, answer) in &lost {
        let is_late = ["busy", "unavailable", "timeout"].contains(&&*answer.code());
        assert!(is_late || answer.code() == "bad_token", "{answer:?}");
    }
    let browser = server.browser().patient();
    let password = match won.first() {
        Some((number, _)) => format!("black coffee by noon {number}"),
        // The one that was done was told too late, or all were sent away.
        None => {
            assert!(lost.iter().any(|(_, answer)| answer.code() != "bad_token"));
            let again = reset(&browser, &token, NEW).await;
            assert!(again.status == 204 || again.code() == "bad_token");
            NEW.to_owned()
        }
    };
    let logged_in = browser.log_in_with("Ann", &password).await;
    assert!(logged_in.status == 200 || won.is_empty(), "{logged_in:?}");
    let resets = "audit_events where event = 'reset_password' and outcome = 'success'";
    assert_eq!(server.database.count(resets).await, 1);
    assert_eq!(
        server
            .database
            .count("account_tokens where purpose = 'reset_password'")
            .await,
        0
    );
}

async fn links_expire_and_die_with_the_password_and_the_address(kind: Kind) {
    let mail = MailServer::start();
    let limits = [
        ("MAILS_PER_ACCOUNT", "unlimited"),
        ("MAILS_PER_ADDRESS", "unlimited"),
    ];
    let server = Server::start_with_mail(kind, &mail, &limits).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let stranger = server.browser();

    let first = ask(&mail, &server, "ann", 1).await;
    server.clock.advance(Duration::from_secs(59 * 60));
    let second = ask(&mail, &server, "ann", 2).await;
    server.clock.advance(Duration::from_secs(61));
    assert_eq!(
        reset(&stranger, &first, NEW).await.code(),
        "bad_token",
        "an hour"
    );
    // Others die with the first that is used.
    let third = ask(&mail, &server, "ann", 3).await;
    assert_eq!(reset(&stranger, &third, NEW).await.status, 204);
    assert_eq!(
        reset(&stranger, &second, PASSWORD).await.code(),
        "bad_token"
    );

    let fourth = ask(&mail, &server, "ann", 4).await;
    browser.log_in_with("Ann", NEW).await;
    let body = json!({"current_password": NEW, "new_password": PASSWORD});
    assert_eq!(browser.post("/password", body).await.status, 204);
    assert_eq!(
        reset(&stranger, &fourth, NEW).await.code(),
        "bad_token",
        "password"
    );

    let fifth = ask(&mail, &server, "ann", 5).await;
    let ann = find_user(server.accounts(), "Ann").await;
    let accounts = server.accounts();
    accounts
        .change_email(&ann, Some("anna@example.com"))
        .await
        .unwrap();
    assert_eq!(
        reset(&stranger, &fifth, NEW).await.code(),
        "bad_token",
        "address"
    );

    let sixth = ask(&mail, &server, "anna", 1).await;
    accounts
        .set_state(&ann, AccountState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        reset(&stranger, &sixth, NEW).await.code(),
        "bad_token",
        "disabled"
    );
    accounts
        .set_state(&ann, AccountState::Enabled)
        .await
        .unwrap();
    accounts.delete(&ann).await.unwrap();
    assert_eq!(
        reset(&stranger, &sixth, NEW).await.code(),
        "bad_token",
        "deleted"
    );
    assert_eq!(server.database.count("account_tokens").await, 0);
}

async fn nobody_learns_who_has_an_account(kind: Kind) {
    let mail = MailServer::start();
    let limits = [("MAILS_PER_ADDRESS", "unlimited")];
    let server = Server::start_with_mail(kind, &mail, &limits).await;
    server.browser().sign_up("Known").await;
    server.browser().sign_up("Disabled").await;
    let disabled = find_user(server.accounts(), "Disabled").await;
    let state = AccountState::Disabled;
    server.accounts().set_state(&disabled, state).await.unwrap();
    let bare = Application::new("Bare").email("bare@example.com".to_owned());
    server.accounts().add(bare).await.unwrap();

    let mut answers = BTreeSet::new();
    let mut rows = BTreeSet::new();
    for name in ["known", "unknown", "disabled", "bare"] {
        let before = server.database.count("audit_events").await;
        let answer = forgot(&server.browser(), &format!("{name}@example.com")).await;
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        answers.insert((answer.status.as_u16(), answer.text.clone(), headers));
        rows.insert(server.database.count("audit_events").await - before);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers.first().unwrap().0, 202);
    assert_eq!(rows, BTreeSet::from([1]));
    // Who has an address gets a link, also an account that has no password yet.
    mail.with_subject("known@example.com", "Choose a new password")
        .await;
    let bare = mail
        .with_subject("bare@example.com", "Choose a new password")
        .await;
    assert_eq!(
        reset(&server.browser(), &bare.token(), NEW).await.status,
        204
    );
    assert_eq!(server.browser().log_in_with("Bare", NEW).await.status, 200);
    assert!(mail.received_by("unknown@example.com").is_empty());
    let to_disabled = mail.received_by("disabled@example.com");
    assert!(
        to_disabled
            .iter()
            .all(|mail| !mail.subject().contains("password"))
    );
    let malformed = forgot(&server.browser(), "nobody").await;
    assert_eq!(
        (malformed.status.as_u16(), malformed.code()),
        (422, "invalid".into())
    );
}

async fn limits_count_alike_whether_there_is_an_account_or_not(kind: Kind) {
    let mail = MailServer::start();
    let limits = [("MAILS_PER_ACCOUNT", "2/1h"), ("MAILS_PER_ADDRESS", "5/1h")];
    let server = Server::start_with_mail(kind, &mail, &limits).await;
    let known = Application::new("Known").email("known@example.com".to_owned());
    server.accounts().add(known).await.unwrap();
    let browser = server.browser();
    for email in ["known@example.com", "unknown@example.com"] {
        let mut statuses = Vec::new();
        for spelled in [email.to_owned(), email.to_uppercase(), email.to_owned()] {
            statuses.push(forgot(&browser, &spelled).await.status.as_u16());
        }
        assert_eq!(statuses, [202, 202, 429], "{email}");
    }
    // Four were sent from this address; the fifth is the last for now, whoever it is for.
    let statuses = [
        forgot(&browser, "third@example.com").await,
        forgot(&browser, "fourth@example.com").await,
    ];
    assert_eq!(statuses[0].status, 202);
    assert_eq!(statuses[1].code(), "too_many_attempts");
    assert!(statuses[1].header("retry-after").is_some());
    server.clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(forgot(&browser, "known@example.com").await.status, 202);
}

async fn a_forged_host_changes_no_link(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let ann = Application::new("Ann").email("ann@example.com".to_owned());
    server.accounts().add(ann).await.unwrap();
    let browser = server.browser();
    let request = browser
        .request(reqwest::Method::POST, "/password/forgot")
        .json(&json!({"email": "ann@example.com"}))
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example");
    assert_eq!(browser.send(request).await.status, 202);
    let received = mail.only("ann@example.com").await;
    assert!(received.link().starts_with(&format!("{PUBLIC_URL}/")));
    assert!(!format!("{received:?}").contains("evil"));
}
