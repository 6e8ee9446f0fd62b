//! The outbox: what is in it, and that everything in it is sent once.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use handstamp::auth::Application;
use serde_json::json;

use super::recovery::{NEW, forgot, reset};
use crate::helpers::{Database, Kind, MailServer, Process, Server, Workplace, on_both_databases};

on_both_databases!(
    no_token_is_anywhere_but_in_the_mail,
    what_waits_is_encrypted_and_survives_a_rotation,
    two_nodes_send_each_mail_once,
    a_killed_node_loses_no_mail,
    a_mail_is_given_up_after_a_day,
    a_mail_that_is_refused_is_given_up_at_once,
    one_that_is_deferred_or_lost_comes_again,
    requests_do_not_wait_for_a_server_that_hangs,
    a_server_that_was_down_gets_what_has_waited,
);

pub const KEY: &str = "wQbX3mN8vKt5zRj2LpYf7HcDs4GeAuT9";

/// The binary, with metrics, on this database, sending to this mail server.
fn serve(database: &Database, mail: &MailServer, settings: &[(&str, &str)]) -> Process {
    workplace(database, mail, settings).serve()
}

pub fn workplace(database: &Database, mail: &MailServer, settings: &[(&str, &str)]) -> Workplace {
    let mut workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", KEY),
        ("MAILS_PER_ACCOUNT", "unlimited"),
        ("MAILS_PER_ADDRESS", "unlimited"),
        ("NEWS", "off"),
    ]);
    for (name, value) in mail.settings() {
        workplace.set(&name, &value);
    }
    for (name, value) in settings {
        workplace.set(name, value);
    }
    workplace
}

async fn is_empty(database: &Database) {
    let start = Instant::now();
    while database.count("outbox").await > 0 {
        assert!(start.elapsed() < Duration::from_secs(100), "mails are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every row of every table of ours, as text.
async fn everything(database: &Database) -> String {
    let mut all = String::new();
    for table in [
        "users",
        "sessions",
        "throttles",
        "audit_events",
        "outbox",
        "account_tokens",
    ] {
        all += &database.rows_as_text(table).await;
    }
    all
}

async fn no_token_is_anywhere_but_in_the_mail(kind: Kind) {
    let database = Database::new(kind).await;
    let mail = MailServer::start();
    // What a library below logs counts, too.
    let loud = [("METRICS_ADDR", "127.0.0.1:0"), ("RUST_LOG", "trace")];
    let process = serve(&database, &mail, &loud);
    let browser = process.browser();
    browser.sign_up("Ann").await;
    assert_eq!(
        browser
            .post("/email", json!({"email": "new@example.com"}))
            .await
            .status,
        202
    );
    assert_eq!(forgot(&browser, "ann@example.com").await.status, 202);
    let mails = [
        mail.with_subject("ann@example.com", "Confirm").await,
        mail.with_subject("ann@example.com", "about to change")
            .await,
        mail.with_subject("new@example.com", "Confirm").await,
        mail.with_subject("ann@example.com", "Choose a new").await,
    ];
    is_empty(&database).await;
    let before = everything(&database).await;
    let used = reset(&browser, &mails[3].token(), NEW).await;
    assert_eq!(used.status, 204);
    let metrics = process.metrics_address();
    let metrics = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("handstamp_outbox_mails "), "{metrics}");
    let stored = before + &everything(&database).await;
    assert!(stored.contains("request_password_reset"), "{stored}");
    let logs = process.logs();
    assert!(logs.contains("reset_password"));
    for mail in mails {
        let token = mail.token();
        for (place, text) in [("rows", &stored), ("log", &logs), ("metrics", &metrics)] {
            assert!(!text.contains(&token), "{place}");
            // Nor as bytes, as tables show them.
            let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(!text.to_lowercase().contains(&hex), "{place}");
        }
    }
}

async fn what_waits_is_encrypted_and_survives_a_rotation(kind: Kind) {
    let mut mail = MailServer::start();
    mail.stop();
    let database = Database::new(kind).await;
    let process = serve(&database, &mail, &[]);
    assert_eq!(
        forgot(&process.browser(), "somebody@example.com")
            .await
            .status,
        202
    );
    process.browser().sign_up("Ann").await;
    assert_eq!(
        forgot(&process.browser(), "ann@example.com").await.status,
        202
    );
    // Whoever is nobody needs no mail server.
    database.count_until("outbox", 2).await;
    process.stop();
    let stored = database.rows_as_text("outbox").await.to_lowercase();
    for secret in ["somebody", "ann@example.com", "forgotten"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !stored.contains(secret) && !stored.contains(&hex),
            "{secret}"
        );
    }

    let rotated = [
        ("SECRET_KEY", "7HcDs4GeAuT9wQbX3mN8vKt5zRj2LpYf"),
        ("SECRET_KEY_FALLBACKS", KEY),
    ];
    mail.start_again();
    let process = serve(&database, &mail, &rotated);
    let link = mail.with_subject("ann@example.com", "Choose a new").await;
    assert_eq!(
        reset(&process.browser(), &link.token(), NEW).await.status,
        204
    );
    is_empty(&database).await;
}

async fn two_nodes_send_each_mail_once(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let nodes = [serve(&database, &mail, &[]), serve(&database, &mail, &[])];
    let ann = nodes[0].browser();
    ann.sign_up("Ann").await;
    let asked = (0..100).map(|number| {
        let browser = nodes[number % 2].browser();
        async move { forgot(&browser, "ann@example.com").await.status }
    });
    assert!(join_all(asked).await.iter().all(|status| *status == 202));
    is_empty(&database).await;
    mail.nth("ann@example.com", 101).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut ids: Vec<_> = mail
        .received()
        .iter()
        .map(|mail| mail.header("message-id").to_owned())
        .collect();
    assert_eq!(ids.len(), 101);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 101);
}

async fn a_killed_node_loses_no_mail(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let mut node = serve(&database, &mail, &[]);
    node.browser().sign_up("Ann").await;
    for _ in 0..3 {
        let browser = node.browser();
        let asked = (0..20).map(|_| forgot(&browser, "ann@example.com"));
        assert!(
            join_all(asked)
                .await
                .iter()
                .all(|answer| answer.status == 202)
        );
        node.kill();
        node = serve(&database, &mail, &[]);
    }
    // The lease of what a killed node was sending has to run out.
    is_empty(&database).await;
    let mut ids: Vec<_> = mail
        .received()
        .iter()
        .map(|mail| mail.header("message-id").to_owned())
        .collect();
    let sent = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 61);
    assert!(sent <= 64, "{sent}");
    drop(node);
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
    let server = Server::start_with_mail(kind, &mail, &[]).await;
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
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.clock.advance(Duration::from_secs(100));
        tokio::time::sleep(Duration::from_secs(3)).await;
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
    tokio::time::sleep(Duration::from_secs(12)).await;
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
    tokio::time::sleep(Duration::from_secs(5)).await;
    let waiting = server.auth.waiting_mails().await.unwrap().unwrap();
    assert_eq!(waiting.count, 3);
    assert!(waiting.oldest >= Duration::from_secs(4), "{waiting:?}");
    mail.start_again();
    mail.nth_within("ann@example.com", 4, Duration::from_secs(60))
        .await;
    is_empty(&server.database).await;
}
