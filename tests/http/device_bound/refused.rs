//! What operators and owners hear of requests without a proof.

use std::time::Duration;

use reqwest::Method;

use crate::{
    helpers::{Bound, DEVICE_BOUND, Database, Kind, MailServer, Server, on_both_databases},
    mail::{outbox::is_empty, verification::verify},
};

on_both_databases!(
    one_event_for_each_address_and_hour,
    the_owner_is_told_by_mail_once_a_day,
    many_sessions_are_told_of_once,
    nobody_is_told_at_an_address_that_is_not_verified,
    not_of_requests_from_where_they_log_in,
    nor_of_a_proof_that_a_shorter_lifetime_does_not_take_yet,
);

const HOUR: Duration = Duration::from_secs(60 * 60);
const ANN: &str = "ann@example.com";
const SUBJECT: &str = "Somebody may have copied your login";

/// A server with a mail server, and Ann, whose address is verified, on a bound session.
async fn verified(kind: Kind, mail: &MailServer) -> (Server, Bound) {
    let (server, bound) = signed_up(kind, mail).await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&bound.browser, &link.token()).await.status, 204);
    (server, bound)
}

async fn signed_up(kind: Kind, mail: &MailServer) -> (Server, Bound) {
    let settings = [DEVICE_BOUND, ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, mail, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    (server, bound)
}

/// How many mails Ann has got that somebody may have copied her login, once all are sent.
async fn told(server: &Server, mail: &MailServer) -> usize {
    is_empty(&server.database).await;
    let mut received = mail.received_by(ANN);
    received.retain(|mail| mail.subject() == SUBJECT);
    received.len()
}

async fn from(server: &Server, address: &str, cookie: &str) {
    let browser = server.browser();
    let request = browser.request(Method::GET, "/checklogin");
    let request = request
        .header("cookie", cookie)
        .header("x-forwarded-for", address);
    let answer = browser.send(request).await;
    assert_eq!(answer.reason(), "device_proof_missing");
}

async fn one_event_for_each_address_and_hour(kind: Kind) {
    let settings = [DEVICE_BOUND, ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with(kind, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    let other = Bound::log_in(&server, "Ann").await;
    server.clock.advance(HOUR);
    let events = "audit_events where event = 'device_proof_refused' \
                  and reason = 'device_proof_missing' and outcome = 'failure'";
    let copied = bound.copied();
    // At once, too.
    let requests = (0..20).map(|_| from(&server, "192.0.2.1", &copied));
    futures_util::future::join_all(requests).await;
    assert_eq!(server.database.count(events).await, 1);
    // One that came a moment before, and is recorded after it.
    server.clock.set_back(Duration::from_secs(1));
    from(&server, "192.0.2.1", &copied).await;
    assert_eq!(server.database.count(events).await, 1);
    server.clock.advance(Duration::from_secs(1));
    from(&server, "192.0.2.2", &copied).await;
    from(&server, "2001:db8::1", &copied).await;
    from(&server, "2001:db8::2", &copied).await;
    assert_eq!(server.database.count(events).await, 3);
    from(&server, "192.0.2.1", &other.copied()).await;
    assert_eq!(server.database.count(events).await, 4);
    server.clock.advance(HOUR);
    from(&server, "192.0.2.1", &copied).await;
    from(&server, "192.0.2.1", &copied).await;
    assert_eq!(server.database.count(events).await, 5);
    // Who has copied the cookie does not end the session by it.
    let live = "sessions where device_key is not null";
    assert_eq!(server.database.count(live).await, 2);
}

async fn the_owner_is_told_by_mail_once_a_day(kind: Kind) {
    let mail = MailServer::start();
    let (server, bound) = verified(kind, &mail).await;
    server.clock.advance(HOUR);
    from(&server, "192.0.2.1", &bound.copied()).await;
    let first = mail.with_subject(ANN, SUBJECT).await;
    assert!(first.text().contains("192.0.2.1"), "{first:?}");
    assert!(first.text().contains("Ann at app.example"), "{first:?}");
    from(&server, "192.0.2.2", &bound.copied()).await;
    server.clock.advance(2 * HOUR);
    from(&server, "192.0.2.1", &bound.copied()).await;
    assert_eq!(told(&server, &mail).await, 1);
    server.clock.advance(22 * HOUR);
    from(&server, "192.0.2.3", &bound.copied()).await;
    assert_eq!(told(&server, &mail).await, 2);
    let last = mail.received_by(ANN).pop().unwrap();
    assert!(last.text().contains("192.0.2.3"), "{last:?}");
}

/// Right passwords are not limited, and each begins a session.
async fn many_sessions_are_told_of_once(kind: Kind) {
    let mail = MailServer::start();
    let (server, bound) = verified(kind, &mail).await;
    let mut all = vec![bound];
    for _ in 0..9 {
        all.push(Bound::log_in(&server, "Ann").await);
    }
    server.clock.advance(HOUR);
    for (number, bound) in all.iter().enumerate() {
        from(&server, &format!("192.0.2.{number}"), &bound.copied()).await;
    }
    assert_eq!(told(&server, &mail).await, 1);
    let events = "audit_events where event = 'device_proof_refused'";
    assert_eq!(server.database.count(events).await, 10);
}

/// The user who signed up with it may be a stranger to it.
async fn nobody_is_told_at_an_address_that_is_not_verified(kind: Kind) {
    let mail = MailServer::start();
    let (server, bound) = signed_up(kind, &mail).await;
    server.clock.advance(HOUR);
    from(&server, "192.0.2.1", &bound.copied()).await;
    let events = "audit_events where event = 'device_proof_refused'";
    assert_eq!(server.database.count(events).await, 1);
    assert_eq!(told(&server, &mail).await, 0);
    // It is not the day's.
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&bound.browser, &link.token()).await.status, 204);
    from(&server, "192.0.2.2", &bound.copied()).await;
    assert_eq!(told(&server, &mail).await, 1);
}

async fn not_of_requests_from_where_they_log_in(kind: Kind) {
    let mail = MailServer::start();
    let (server, bound) = verified(kind, &mail).await;
    server.clock.advance(HOUR);
    // A browser has no fresh proof where a link on another site leads to.
    from(&server, "127.0.0.1", &bound.copied()).await;
    // A key of somebody who has no cookie shows nothing either.
    let challenge = bound.challenge().await;
    let forged = crate::helpers::Device::new().refresh(&challenge);
    let answer = crate::helpers::refresh(&server.browser(), &bound.id, Some(&forged)).await;
    assert_eq!(answer.code(), "bad_device_proof");
    let refused = "audit_events where event = 'device_proof_refused'";
    assert_eq!(server.database.count(refused).await, 2);
    assert_eq!(told(&server, &mail).await, 0);
    from(&server, "192.0.2.1", &bound.copied()).await;
    let told = mail.with_subject(ANN, SUBJECT).await;
    assert!(told.text().contains("192.0.2.1"), "{told:?}");
}

/// Its browser renews the proof only when the cookie is about to expire.
async fn nor_of_a_proof_that_a_shorter_lifetime_does_not_take_yet(kind: Kind) {
    let mail = MailServer::start();
    let settings = [
        DEVICE_BOUND,
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("DEVICE_PROOF_LIFETIME", "2h"),
    ];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let mut bound = Bound::sign_up(&server, "Ann").await;
    let link = mail.with_subject(ANN, "Confirm").await;
    assert_eq!(verify(&bound.browser, &link.token()).await.status, 204);
    server.clock.advance(HOUR);
    bound.refresh().await;

    let of_mail = mail.settings();
    let of_mail = of_mail.iter().map(|(name, value)| (&**name, &**value));
    let settings: Vec<_> = of_mail.chain(settings[..2].iter().copied()).collect();
    let shorter = Server::start_on(Database::at(&server.database.url), &settings).await;
    shorter.clock.advance(HOUR);
    // Cached or not.
    for _ in 0..2 {
        from(&shorter, "192.0.2.1", &bound.cookies()).await;
    }
    let events = "audit_events where event = 'device_proof_refused' \
                  and reason = 'device_proof_missing'";
    assert_eq!(shorter.database.count(events).await, 1);
    assert_eq!(told(&shorter, &mail).await, 0);
    // Without that proof, or with one that nobody has signed, it is a copy.
    let forged = format!("{}; session-proof={}", bound.copied(), "A".repeat(32));
    from(&shorter, "192.0.2.2", &forged).await;
    assert_eq!(told(&shorter, &mail).await, 1);
}
