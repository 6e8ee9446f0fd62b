//! A changed cookie is never good for anything.

use crate::helpers::{Browser, Kind, Server, on_both_databases};

on_both_databases!(
    every_flipped_character,
    cut_swapped_and_foreign_cookies,
    cookies_sent_twice,
    forged_cookies_make_no_row_anywhere,
);

const SIGNATURE: usize = 44;

async fn session_of(server: &Server, name: &str) -> String {
    let browser = server.browser();
    browser.sign_up(name).await;
    browser.session().unwrap()
}

async fn reason_with(browser: &Browser, cookie: &str) -> String {
    browser.check_with(cookie).await.reason()
}

async fn every_flipped_character(kind: Kind) {
    let server = Server::start(kind).await;
    let session = session_of(&server, "Ann").await;
    let browser = server.browser();
    for at in 0..session.len() {
        for replacement in ["A", "B", "=", "-", "/", "%", "\"", " ", ","] {
            if session[at..=at] == *replacement {
                continue;
            }
            let flipped = format!("{}{replacement}{}", &session[..at], &session[at + 1..]);
            let reason = reason_with(&browser, &format!("session={flipped}")).await;
            assert_eq!(reason, "bad_signature", "{flipped}");
        }
    }
    assert_eq!(server.database.count("sessions").await, 1);
    assert_eq!(
        browser
            .check_with(&format!("session={session}"))
            .await
            .status,
        200
    );
}

async fn cut_swapped_and_foreign_cookies(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = session_of(&server, "Ann").await;
    let ben = session_of(&server, "Ben").await;
    let browser = server.browser();
    for length in 0..ann.len() {
        let reason = reason_with(&browser, &format!("session={}", &ann[..length])).await;
        assert_eq!(reason, "bad_signature", "{length}");
    }
    let swapped = format!("session={}{}", &ann[..SIGNATURE], &ben[SIGNATURE..]);
    assert_eq!(reason_with(&browser, &swapped).await, "bad_signature");

    let key = [(
        "SECRET_KEY",
        "another key, as long as it must be, for another server",
    )];
    let other = Server::start_with(kind, &key).await;
    let foreign = session_of(&other, "Ann").await;
    assert_eq!(
        reason_with(&browser, &format!("session={foreign}")).await,
        "bad_signature"
    );
    // The right key, but another database: signed, and unknown.
    let other = Server::start(kind).await;
    let unknown = session_of(&other, "Ann").await;
    assert_eq!(
        reason_with(&browser, &format!("session={unknown}")).await,
        "unknown_session"
    );
    assert_eq!(reason_with(&browser, "other=cookie").await, "no_cookie");
    assert_eq!(server.database.count("sessions").await, 2);
}

async fn cookies_sent_twice(kind: Kind) {
    let server = Server::start(kind).await;
    let ann = session_of(&server, "Ann").await;
    let ben = session_of(&server, "Ben").await;
    let browser = server.browser();
    for (one, two) in [
        (&ann, &ben),
        (&ben, &ann),
        (&ann, &ann),
        (&ann, &"x".into()),
    ] {
        let cookie = format!("session={one}; session={two}");
        assert_eq!(
            reason_with(&browser, &cookie).await,
            "bad_signature",
            "{cookie}"
        );
    }
}

async fn forged_cookies_make_no_row_anywhere(kind: Kind) {
    let server = Server::start_app(kind, &[], |auth| crate::library::embed::app(&auth)).await;
    let ann = session_of(&server, "Ann").await;
    let forged = format!("session={}x", &ann[..ann.len() - 1]);
    let browser = server.browser();
    for cookie in ["session=", "session=x", &forged] {
        for path in ["/secret", "/checklogin", "/sessions"] {
            assert_eq!(
                browser.get_with(path, cookie).await.reason(),
                "bad_signature"
            );
        }
        let bare = server.browser();
        let log_out = bare
            .request(reqwest::Method::DELETE, "/logout")
            .header("cookie", cookie);
        let answer = bare.send(log_out).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    }
    assert_eq!(browser.log_out().await.header("set-cookie"), None);
    assert_eq!(server.database.count("sessions").await, 1);
}
