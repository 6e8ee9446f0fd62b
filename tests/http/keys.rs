//! Changing the key logs nobody out, as long as the old one is a fallback.

use handstamp::{
    config::Secret,
    gate::pieces::{KeyRing, SessionToken},
};

use crate::helpers::{Browser, Kind, Server, on_both_databases};

on_both_databases!(
    a_rotation_logs_nobody_out,
    a_dead_session_is_not_signed_again,
    a_cookie_of_an_older_version_logs_nobody_out,
);

const NEW: (&str, &str) = (
    "SECRET_KEY",
    "the new key, which is as long as it has to be",
);

fn cookie(browser: &Browser) -> String {
    format!("session={}", browser.session().unwrap())
}

async fn a_rotation_logs_nobody_out(kind: Kind) {
    let first = "the first key: it is as long as it has to be";
    let server = Server::start_with(kind, &[("SECRET_KEY", first)]).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let old = cookie(&user);

    let server = server
        .restart_with(&[NEW, ("SECRET_KEY_FALLBACKS", first)])
        .await;
    let browser = server.browser();
    let answer = browser.check_with(&old).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let resigned = format!("session={}", answer.set_session().unwrap());
    assert_ne!(resigned, old);
    assert!(
        answer
            .header("set-cookie")
            .unwrap()
            .contains("Max-Age=2592000")
    );
    let answer = browser.check_with(&resigned).await;
    assert_eq!((answer.status.as_u16(), answer.set_session()), (200, None));
    assert_eq!(server.database.count("sessions").await, 1);

    let server = server.restart_with(&[NEW]).await;
    let browser = server.browser();
    assert_eq!(browser.check_with(&old).await.reason(), "bad_signature");
    assert_eq!(browser.check_with(&resigned).await.status, 200);
}

async fn a_dead_session_is_not_signed_again(kind: Kind) {
    let old = "the old key: it is as long as it has to be";
    let server = Server::start_with(kind, &[("SECRET_KEY", old)]).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let dead = cookie(&user);
    user.log_out().await;
    let server = server
        .restart_with(&[NEW, ("SECRET_KEY_FALLBACKS", old)])
        .await;
    let answer = server.browser().check_with(&dead).await;
    assert_eq!(
        (answer.reason().as_str(), answer.set_session()),
        ("unknown_session", None)
    );
}

/// One with the secret id alone.
async fn a_cookie_of_an_older_version_logs_nobody_out(kind: Kind) {
    let key = "the key of them: it is as long as it has to be";
    let server = Server::start_with(kind, &[("SECRET_KEY", key)]).await;
    let user = server.browser();
    user.sign_up("Ann").await;
    let now = user.session().unwrap();
    let SessionToken { id, .. } = now[44..].parse().unwrap();
    let keys = KeyRing::new(&Secret::signing_key(key).unwrap(), &[]);
    let old = format!("session={}", keys.sign(id.into()));

    let browser = server.browser();
    let answer = browser.check_with(&old).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.set_session(), Some(now));
    user.log_out().await;
    let answer = browser.check_with(&old).await;
    assert_eq!(
        (answer.reason().as_str(), answer.set_session()),
        ("unknown_session", None)
    );
}
