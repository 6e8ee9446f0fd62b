//! What becomes of mails that are not sent at once.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use handstamp::{
    Auth, Db,
    auth::{Application, Secret, keep_mailing},
    mail::{Mail, MailError, Mailer},
};

use super::{
    outbox::{KEY, UNLIMITED, is_empty},
    recovery::{NEW, forgot, reset},
};
use crate::helpers::{Database, Kind, MailServer, Server, on_both_databases};

on_both_databases!(
    a_mail_is_given_up_after_a_day,
    a_mail_that_is_refused_is_given_up_at_once,
    one_that_is_deferred_or_lost_comes_again,
    requests_do_not_wait_for_a_server_that_hangs,
    a_server_that_was_down_gets_what_has_waited,
    a_mail_of_yesterday_is_not_sent,
    an_outage_does_not_count_against_a_mail,
);

/// Moves the clock, which the worker learns with the next mail: one to nobody, which it does not send.
async fn time_passes(server: &Server, by: Duration) {
    server.clock.advance(by);
    forgot(&server.browser(), "nobody@example.com").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
}

async fn a_mail_is_given_up_after_a_day(kind: Kind) {
    let mut mail = MailServer::start();
    mail.stop();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let attempts = async || {
        let sql = "select cast(max(attempts) as text) from outbox";
        let text = server.database.text(sql).await;
        text.map_or(0, |text| text.parse::<i64>().unwrap())
    };
    let waits_for_attempt = async |number: i64| {
        for _ in 0..500 {
            if attempts().await >= number {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never tried {number} times");
    };
    waits_for_attempt(2).await;
    server.clock.advance(Duration::from_secs(23 * 60 * 60));
    let before = attempts().await;
    waits_for_attempt(before + 1).await;
    assert_eq!(server.database.count("outbox").await, 1);
    server.clock.advance(Duration::from_secs(60 * 60));
    is_empty(&server.database).await;
    let given_up = "audit_events where event = 'send_mail' and outcome = 'failure'
                    and reason = 'mail_not_sent' and user_id is not null";
    assert_eq!(server.database.count(given_up).await, 1);
}

async fn a_mail_that_is_refused_is_given_up_at_once(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    server.browser().sign_up("Refused").await;
    server.browser().sign_up("Ann").await;
    is_empty(&server.database).await;
    mail.only("ann@example.com").await;
    let given_up = "audit_events where event = 'send_mail' and user_id is not null";
    assert_eq!(server.database.count(given_up).await, 1);
}

async fn one_that_is_deferred_or_lost_comes_again(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    for name in ["Deferred", "Dropped", "Ann"] {
        let email = format!("{}@example.com", name.to_lowercase());
        server
            .accounts()
            .add(Application::new(name).email(email.clone()))
            .await
            .unwrap();
        assert_eq!(forgot(&server.browser(), &email).await.status, 202);
    }
    // Others do not wait for them.
    mail.only("ann@example.com").await;
    mail.nth("dropped@example.com", 1).await;
    for _ in 0..40 {
        if server.database.count("outbox").await == 0 {
            break;
        }
        time_passes(&server, Duration::from_secs(20)).await;
    }
    let deferred = mail.only("deferred@example.com").await;
    assert_eq!(
        reset(&server.browser(), &deferred.token(), NEW)
            .await
            .status,
        204
    );
    // It had arrived: a second time with the same id, and with a link of its own.
    let dropped = [1, 2].map(|number| mail.received_by("dropped@example.com")[number - 1].clone());
    assert_eq!(
        dropped[0].header("message-id"),
        dropped[1].header("message-id")
    );
    assert_ne!(dropped[0].token(), dropped[1].token());
    assert_eq!(
        reset(&server.browser(), &dropped[0].token(), NEW)
            .await
            .status,
        204
    );
    is_empty(&server.database).await;
}

async fn requests_do_not_wait_for_a_server_that_hangs(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    mail.hang();
    server.browser().sign_up("Ann").await;
    assert_eq!(
        forgot(&server.browser(), "ann@example.com").await.status,
        202
    );
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
    assert!(mail.received().is_empty());
    assert_eq!(server.database.count("outbox").await, 2);
    mail.go_on();
    let patience = Duration::from_secs(60);
    mail.nth_within("ann@example.com", 2, patience).await;
}

async fn a_server_that_was_down_gets_what_has_waited(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &[]).await;
    server.browser().sign_up("Ann").await;
    mail.nth("ann@example.com", 1).await;
    mail.stop();
    for _ in 0..3 {
        assert_eq!(
            forgot(&server.browser(), "ann@example.com").await.status,
            202
        );
    }
    server.clock.advance(Duration::from_secs(5));
    let waiting = server.auth.waiting_mails().await.unwrap().unwrap();
    assert_eq!(waiting.count, 3);
    assert!(waiting.oldest >= Duration::from_secs(5), "{waiting:?}");
    mail.start_again();
    mail.nth_within("ann@example.com", 4, Duration::from_secs(60))
        .await;
    is_empty(&server.database).await;
}

async fn a_mail_of_yesterday_is_not_sent(kind: Kind) {
    let mail = MailServer::start();
    let yesterday = Server::start(kind).await;
    yesterday.clock.set_back(Duration::from_secs(25 * 60 * 60));
    yesterday.browser().sign_up("Ann").await;
    assert_eq!(yesterday.database.count("outbox").await, 1);
    let settings = mail.settings();
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let database = Database::at(&yesterday.database.url);
    let server = Server::start_on(database, &settings).await;
    is_empty(&server.database).await;
    assert!(mail.received().is_empty());
    let given_up = "audit_events where event = 'send_mail' and user_id is not null";
    assert_eq!(server.database.count(given_up).await, 1);
}

async fn an_outage_does_not_count_against_a_mail(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    let account = Application::new("Deferred").email("deferred@example.com".to_owned());
    server.accounts().add(account).await.unwrap();
    mail.stop();
    forgot(&server.browser(), "deferred@example.com").await;
    let attempts = "outbox where attempts >= 3";
    server.database.count_until(attempts, 1).await;
    mail.start_again();
    server
        .database
        .count_until("outbox where deferrals = 1", 1)
        .await;
    // Ten seconds, twenty and forty after the three times that the server defers it; then it is sent.
    let mut passed = 0;
    while server.database.count("outbox").await > 0 {
        assert!(passed < 40, "never sent");
        time_passes(&server, Duration::from_secs(10)).await;
        passed += 1;
    }
    mail.only("deferred@example.com").await;
}

/// A mailer of an app's own, which panics at the first mail.
#[derive(Clone, Default)]
struct Panicking(Arc<Mutex<Vec<String>>>);

#[async_trait::async_trait]
impl Mailer for Panicking {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let mut tried = self.0.lock().unwrap();
        tried.push(mail.to.clone());
        let is_first = tried.len() == 1;
        drop(tried);
        assert!(!is_first, "the first one");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailer_that_panics_fails_with_one_mail_alone() {
    let database = Database::new(Kind::Sqlite).await;
    let db = Db::connect(&database.url.parse().unwrap()).await.unwrap();
    db.migrate().await.unwrap();
    let mailer = Panicking::default();
    let auth = Auth::builder(db)
        .secret_key(Secret::signing_key(KEY).unwrap())
        .mailer(mailer.clone())
        .public_url("https://app.example")
        .build()
        .unwrap();
    let mailing = tokio::spawn(keep_mailing(auth.clone(), pending()));
    for name in ["Ann", "Ben"] {
        let email = format!("{}@example.com", name.to_lowercase());
        auth.accounts().invite(name, &email).await.unwrap();
    }
    database.count_until("outbox where deferrals = 1", 1).await;
    database.count_until("outbox", 1).await;
    assert!(!mailing.is_finished());
    mailing.abort();
    assert_eq!(
        *mailer.0.lock().unwrap(),
        ["ann@example.com", "ben@example.com"]
    );
}
