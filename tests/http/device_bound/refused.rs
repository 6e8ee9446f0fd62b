//! What operators and owners hear of requests without a proof.

use std::time::Duration;

use reqwest::Method;

use crate::helpers::{Bound, DEVICE_BOUND, Kind, MailServer, Server, on_both_databases};

on_both_databases!(
    one_event_for_each_address_and_hour,
    the_owner_is_told_by_mail_once_a_day,
    not_of_requests_from_where_they_log_in,
);

const HOUR: Duration = Duration::from_secs(60 * 60);

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
    let settings = [DEVICE_BOUND, ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    mail.with_subject("ann@example.com", "Confirm").await;
    server.clock.advance(HOUR);
    from(&server, "192.0.2.1", &bound.copied()).await;
    let told = mail.nth("ann@example.com", 2).await;
    assert_eq!(told.subject(), "Somebody may have copied your login");
    assert!(told.text().contains("192.0.2.1"), "{told:?}");
    from(&server, "192.0.2.2", &bound.copied()).await;
    server.clock.advance(2 * HOUR);
    from(&server, "192.0.2.1", &bound.copied()).await;
    server.clock.advance(22 * HOUR);
    from(&server, "192.0.2.3", &bound.copied()).await;
    let told = mail.nth("ann@example.com", 3).await;
    assert!(told.text().contains("192.0.2.3"), "{told:?}");
}

async fn not_of_requests_from_where_they_log_in(kind: Kind) {
    let mail = MailServer::start();
    let settings = [DEVICE_BOUND, ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start_with_mail(kind, &mail, &settings).await;
    let bound = Bound::sign_up(&server, "Ann").await;
    mail.with_subject("ann@example.com", "Confirm").await;
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
    from(&server, "192.0.2.1", &bound.copied()).await;
    let told = mail.nth("ann@example.com", 2).await;
    assert!(told.text().contains("192.0.2.1"), "{told:?}");
}
