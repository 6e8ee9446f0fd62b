//! The outbox: what is in it, and that everything in it is sent once.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{StreamExt, stream};
use serde_json::json;

use super::{
    recovery::{NEW, forgot, reset},
    verification::verify,
};
use crate::helpers::{
    Database, Kind, MailServer, Process, Workplace, on_both_databases, succeeded,
};

on_both_databases!(
    no_token_is_anywhere_but_in_the_mail,
    what_waits_is_encrypted_and_survives_a_rotation,
    two_nodes_send_each_mail_once,
    a_killed_node_loses_no_mail,
);

pub const UNLIMITED: [(&str, &str); 3] = [
    ("MAILS_PER_ACCOUNT", "unlimited"),
    ("MAILS_PER_ADDRESS", "unlimited"),
    ("SIGNUPS_PER_ADDRESS", "unlimited"),
];
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

pub async fn is_empty(database: &Database) {
    let start = Instant::now();
    while database.count("outbox").await > 0 {
        assert!(start.elapsed() < Duration::from_secs(100), "mails are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every row of every table, as text.
async fn everything(database: &Database) -> String {
    let mut all = String::new();
    for table in database.tables().await {
        all += &database.rows_as_text(&table).await;
    }
    all
}

async fn no_token_is_anywhere_but_in_the_mail(kind: Kind) {
    let database = Database::new(kind).await;
    let mail = MailServer::start();
    // What a library below logs counts, too.
    let loud = [("METRICS_ADDR", "127.0.0.1:0"), ("RUST_LOG", "trace")];
    let place = workplace(&database, &mail, &loud);
    let process = place.serve();
    let browser = process.browser();
    // Before the mails are sent as well as after.
    mail.hang();
    browser.sign_up("Ann").await;
    let change = json!({"email": "new@example.com"});
    assert_eq!(browser.post("/email", change).await.status, 202);
    assert_eq!(forgot(&browser, "ann@example.com").await.status, 202);
    let invite = ["user", "invite", "Ben", "--email", "ben@example.com"];
    let said = succeeded(&place.run(&invite));
    let mut stored = everything(&database).await;
    mail.go_on();
    let mut mails = vec![
        mail.with_subject("ann@example.com", "Confirm").await,
        mail.with_subject("ann@example.com", "about to change")
            .await,
        mail.with_subject("new@example.com", "Confirm").await,
        mail.with_subject("ben@example.com", "Your account").await,
        mail.with_subject("ann@example.com", "Choose a new").await,
    ];
    is_empty(&database).await;
    stored += &everything(&database).await;
    let used = verify(&browser, &mails[2].token()).await;
    assert_eq!(used.status, 204);
    mails.push(mail.with_subject("ann@example.com", "was changed").await);
    let used = verify(&browser, &mails[1].token()).await;
    assert_eq!(used.status, 204);
    is_empty(&database).await;
    let links = mail.received_by("ann@example.com").into_iter();
    let mut links = links.filter(|mail| mail.subject().contains("Choose a new"));
    let last = links.next_back().unwrap();
    assert_eq!(reset(&browser, &last.token(), NEW).await.status, 204);
    mails.push(last);
    let metrics = process.metrics_address();
    let metrics = reqwest::get(format!("http://{metrics}/metrics"))
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("handstamp_outbox_mails "), "{metrics}");
    stored += &everything(&database).await;
    for event in ["request_password_reset", "undo_email_change", "invite"] {
        assert!(stored.contains(event), "{event}");
    }
    let audit = succeeded(&place.run(&["audit", "--json"]));
    assert!(audit.contains("reset_password"), "{audit}");
    let logs = process.logs();
    assert!(logs.contains("reset_password"));
    for mail in mails {
        let token = mail.token();
        for (place, text) in [
            ("rows", &stored),
            ("log", &logs),
            ("metrics", &metrics),
            ("audit", &audit),
            ("command", &said),
        ] {
            assert!(!text.contains(&token), "{place}");
            // Nor as bytes, as tables show them: the text, or what it stands for.
            let text = text.to_lowercase();
            for bytes in [
                token.as_bytes(),
                &BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap(),
            ] {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!text.contains(&hex), "{place}");
            }
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
    ask(&nodes, 100).await;
    is_empty(&database).await;
    // A request that is repeated, as on a busy machine, may make another one.
    different(&mail, 101).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ids = ids(&mail);
    assert_eq!(BTreeSet::from_iter(&ids).len(), ids.len(), "each once");
}

/// So many links to Ann, some at once: all of them would wait for the database for too long.
async fn ask(nodes: &[Process], number: usize) {
    stream::iter(0..number)
        .for_each_concurrent(8, async |number| {
            let browser = nodes[number % nodes.len()].browser().patient();
            let answer = forgot(&browser, "ann@example.com").await;
            assert_eq!(answer.status, 202, "{answer:?}");
        })
        .await;
}

fn ids(mail: &MailServer) -> Vec<String> {
    let mails = mail.received();
    let ids = mails.iter().map(|mail| mail.header("message-id"));
    ids.map(str::to_owned).collect()
}

/// Waits until so many different mails have arrived.
async fn different(mail: &MailServer, number: usize) {
    let start = Instant::now();
    while BTreeSet::from_iter(ids(mail)).len() < number {
        assert!(start.elapsed() < Duration::from_secs(100), "mails are lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_killed_node_loses_no_mail(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let mut node = serve(&database, &mail, &[]);
    node.browser().sign_up("Ann").await;
    for _ in 0..3 {
        ask(std::slice::from_ref(&node), 20).await;
        node.kill();
        // As if the minute had passed for which it had the mail that it was sending.
        database
            .execute("update outbox set next_attempt_at = created_at")
            .await;
        node = serve(&database, &mail, &[]);
    }
    is_empty(&database).await;
    different(&mail, 61).await;
    let ids = ids(&mail);
    // One for each time that the node was killed.
    let twice = ids.len() - BTreeSet::from_iter(&ids).len();
    assert!(twice <= 3, "{twice} were sent twice");
    drop(node);
}
