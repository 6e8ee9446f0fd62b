//! Verifying addresses, where that is optional and where it is required.

use std::time::Duration;

use handstamp::auth::Application;
use serde_json::{Value, json};

use crate::helpers::{
    Answer, Browser, Kind, MailServer, PASSWORD, PUBLIC_URL, Server, on_both_databases,
};

on_both_databases!(
    a_link_verifies_the_address_of_who_has_signed_up,
    asking_again_makes_earlier_links_useless,
    where_it_is_required_a_sign_up_tells_nothing,
    where_it_is_required_nobody_logs_in_before,
    an_address_belongs_to_who_opens_the_link_first,
    verification_on_other_nodes_is_seen,
    strangers_do_not_use_up_the_mails_of_a_user,
    a_sign_up_that_nobody_verifies_is_removed,
);

const REQUIRED: (&str, &str) = ("EMAIL_VERIFICATION", "required");

pub async fn verify(browser: &Browser, token: &str) -> Answer {
    browser.post("/email/verify", json!({"token": token})).await
}

async fn sign_up(browser: &Browser, name: &str, email: &str) -> Answer {
    let body = json!({"username": name, "email": email, "password": PASSWORD});
    browser.post("/signup", body).await
}

async fn is_verified(browser: &Browser) -> Value {
    browser.check().await.json()["email_verified"].clone()
}

async fn a_link_verifies_the_address_of_who_has_signed_up(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    assert_eq!(browser.sign_up("Ann").await.json()["email_verified"], false);
    let received = mail.only("ann@example.com").await;
    assert_eq!(received.subject(), "Confirm your e-mail address");
    assert!(
        received
            .link()
            .starts_with(&format!("{PUBLIC_URL}/verify-email#token="))
    );
    // The name was chosen by whoever signed up, who may be a stranger to the address.
    assert!(!received.text().contains("Ann"), "{received:?}");
    assert!(received.html().contains(&received.token()));

    let stranger = server.browser();
    assert_eq!(verify(&stranger, "x").await.code(), "bad_token");
    assert_eq!(
        stranger.post("/email/verify", json!({})).await.code(),
        "invalid"
    );
    let answer = super::recovery::reset(&stranger, &received.token(), PASSWORD).await;
    assert_eq!(answer.code(), "bad_token", "it is for an address");
    assert_eq!(is_verified(&browser).await, false);
    assert_eq!(verify(&stranger, &received.token()).await.status, 204);
    assert_eq!(
        is_verified(&browser).await,
        true,
        "at once, though cached before"
    );
    assert_eq!(
        verify(&stranger, &received.token()).await.code(),
        "bad_token"
    );

    assert_eq!(
        browser
            .post("/email/verification", Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(mail.received().len(), 1);
}

async fn asking_again_makes_earlier_links_useless(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[("MAILS_PER_ACCOUNT", "2/1h")]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let first = mail.nth("ann@example.com", 1).await.token();
    let again = async || browser.post("/email/verification", Value::Null).await;
    assert_eq!(again().await.status, 202);
    let second = mail.nth("ann@example.com", 2).await.token();
    assert_eq!(verify(&browser, &first).await.code(), "bad_token");
    assert_eq!(again().await.status, 202);
    let third = mail.nth("ann@example.com", 3).await.token();
    assert_eq!(again().await.code(), "too_many_attempts");
    assert_eq!(verify(&browser, &second).await.code(), "bad_token");
    let stranger = server.browser();
    let answer = stranger.post("/email/verification", Value::Null).await;
    assert_eq!(answer.reason(), "no_cookie");

    server.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(verify(&browser, &third).await.code(), "bad_token", "a day");
    assert_eq!(is_verified(&browser).await, false);
}

async fn where_it_is_required_a_sign_up_tells_nothing(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[REQUIRED]).await;
    let known = Application::new("Known").email("known@example.com".to_owned());
    server.accounts().add(known).await.unwrap();

    let mut answers = Vec::new();
    for (name, email) in [("New", "new@example.com"), ("Nosy", "KNOWN@example.com")] {
        let browser = server.browser();
        let before = server.database.count("audit_events").await;
        let answer = sign_up(&browser, name, email).await;
        assert_eq!(browser.session(), None);
        // Nor by what comes after: the name is taken, and logging in is refused alike.
        let other = sign_up(&browser, name, "other@example.com").await;
        let log_in = browser.log_in(name).await;
        let wrong = browser.log_in_with(name, "wrong").await;
        let rows = server.database.count("audit_events").await - before;
        answers.push((
            (answer.status.as_u16(), answer.json()),
            (other.status.as_u16(), other.code()),
            (log_in.status.as_u16(), log_in.code()),
            (wrong.status.as_u16(), wrong.code()),
            rows,
        ));
    }
    let expected = (
        (202, json!({"next": "verify_email"})),
        (409, "username_taken".to_owned()),
        (403, "email_not_verified".to_owned()),
        (400, "bad_credentials".to_owned()),
        answers[0].4,
    );
    assert_eq!(answers, [expected.clone(), expected]);

    // Its owner is told, each time somebody asks.
    let told = mail.nth("known@example.com", 1).await;
    assert_eq!(told.subject(), "You have an account already");
    assert!(!told.text().contains("Nosy"));
    assert!(!told.text().contains("#token="));
}

async fn where_it_is_required_nobody_logs_in_before(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[REQUIRED]).await;
    let browser = server.browser();
    assert_eq!(
        sign_up(&browser, "Ann", "ann@example.com").await.status,
        202
    );
    let first = mail.nth("ann@example.com", 1).await.token();
    assert_eq!(browser.log_in("Ann").await.code(), "email_not_verified");
    assert_eq!(browser.check().await.reason(), "no_cookie");
    let second = mail.nth("ann@example.com", 2).await.token();
    assert_eq!(
        verify(&browser, &first).await.code(),
        "bad_token",
        "sent again"
    );
    assert_eq!(verify(&browser, &second).await.status, 204);
    let answer = browser.log_in("Ann").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["email"], "ann@example.com");
    assert_eq!(answer.json()["email_verified"], true);

    // An operator's account without an address has nothing to verify.
    let bare = Application::new("Bare").password(PASSWORD.to_owned());
    server.accounts().add(bare).await.unwrap();
    assert_eq!(server.browser().log_in("Bare").await.status, 200);
    // Past the limit no more mails, and the same response: one for the sign-up, five for the logins.
    sign_up(&browser, "Ben", "ben@example.com").await;
    for number in 1..=8 {
        mail.nth("ben@example.com", number.min(6)).await;
        assert_eq!(browser.log_in("Ben").await.code(), "email_not_verified");
    }
    super::outbox::is_empty(&server.database).await;
    assert_eq!(mail.received_by("ben@example.com").len(), 6);
}

async fn an_address_belongs_to_who_opens_the_link_first(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[REQUIRED]).await;
    let browser = server.browser();
    // Somebody else has named it before, which keeps nobody from it.
    for name in ["Squatter", "Ann"] {
        assert_eq!(sign_up(&browser, name, "ann@example.com").await.status, 202);
    }
    let squatters = mail.nth("ann@example.com", 1).await.token();
    let anns = mail.nth("ann@example.com", 2).await.token();
    assert_eq!(verify(&browser, &anns).await.status, 204);
    assert_eq!(verify(&browser, &squatters).await.code(), "bad_token");
    assert_eq!(
        browser.log_in("Squatter").await.code(),
        "email_not_verified"
    );
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

async fn verification_on_other_nodes_is_seen(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let token = mail.only("ann@example.com").await.token();
    let url = server.database.url.clone();
    let node = Server::start_on(crate::helpers::Database::at(&url), &[]).await;
    let cookie = format!("session={}", browser.session().unwrap());
    let there = || node.browser();
    assert_eq!(
        there().check_with(&cookie).await.json()["email_verified"],
        false
    );
    assert_eq!(verify(&browser, &token).await.status, 204);
    // Within the second that other nodes have.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(
        there().check_with(&cookie).await.json()["email_verified"],
        true
    );
}

async fn strangers_do_not_use_up_the_mails_of_a_user(kind: Kind) {
    let mail = MailServer::start();
    let settings = [("MAILS_PER_ACCOUNT", "2/1h")];
    for asks_again in [true, false] {
        let server = Server::start_with_mail(kind, &mail, &settings).await;
        let browser = server.browser();
        browser.sign_up("Ann").await;
        let again = async || {
            let answer = browser.post("/email/verification", Value::Null).await;
            answer.status.as_u16()
        };
        if asks_again {
            assert_eq!(
                [again().await, again().await, again().await],
                [202, 202, 429]
            );
        }
        // Nor do they learn whether the user was here.
        let stranger = server.browser();
        let ask = async || {
            let answer = super::recovery::forgot(&stranger, "ann@example.com").await;
            answer.status.as_u16()
        };
        assert_eq!([ask().await, ask().await], [202, 429]);
        if !asks_again {
            assert_eq!(again().await, 202);
        }
    }
}

async fn a_sign_up_that_nobody_verifies_is_removed(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[REQUIRED]).await;
    let browser = server.browser();
    for name in ["Ann", "Ben"] {
        let email = format!("{}@example.com", name.to_lowercase());
        assert_eq!(sign_up(&browser, name, &email).await.status, 202);
    }
    let ann = mail.only("ann@example.com").await;
    assert_eq!(verify(&browser, &ann.token()).await.status, 204);
    server.clock.advance(Duration::from_secs(6 * 24 * 60 * 60));
    server.auth.purge_records().await.unwrap();
    assert_eq!(server.database.count("users").await, 2);
    server.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    server.auth.purge_records().await.unwrap();
    assert_eq!(server.database.count("users").await, 1);
    let again = sign_up(&browser, "Ben", "ben@example.com").await;
    assert_eq!(again.status, 202, "{again:?}");
    assert_eq!(browser.log_in("Ann").await.status, 200);
}
