//! `handstamp doctor`, of the settings and the database where it runs.

use std::{fs, process::Output};

use serde_json::Value;

use crate::helpers::{Authenticator, Database, Kind, Workplace, on_both_databases};

on_both_databases!(
    a_server_in_order_passes,
    missing_migrations_are_named,
    a_newer_database_is_named,
    passkeys_that_are_taken_no_more_are_named,
    passkeys_that_cannot_be_counted_fail_the_check,
);

const ALL: [&str; 7] = [
    "settings",
    "secret_key",
    "database",
    "migrations",
    "passkeys",
    "disk_space",
    "mail",
];

fn workplace_of(database: &Database) -> Workplace {
    let key = handstamp::auth::generate_secret_key();
    Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)])
}

/// Every check with its status, of a report whose exit status fits.
fn statuses(output: &Output) -> Vec<(String, String)> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{output:?}");
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{output:?}"));
    let checks = report["checks"].as_array().unwrap();
    let text = |check: &Value, field: &str| check[field].as_str().unwrap().to_owned();
    let statuses: Vec<_> = checks
        .iter()
        .map(|check| (text(check, "name"), text(check, "status")))
        .collect();
    let has_failed = statuses.iter().any(|(_, status)| status == "fail");
    assert_eq!(
        output.status.code(),
        Some(i32::from(has_failed)),
        "{output:?}"
    );
    assert_eq!(report["ok"], !has_failed);
    assert!(report.get("url").is_none());
    statuses
}

fn status_of(workplace: &Workplace, name: &str) -> String {
    let statuses = statuses(&workplace.run(&["doctor", "--json"]));
    let found = statuses.into_iter().find(|(found, _)| found == name);
    found.unwrap().1
}

/// The text for people says the same.
fn assert_says(workplace: &Workplace, what: &[&str]) {
    let output = workplace.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for what in what {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert!(text.contains("FAIL") && text.contains("fix: "), "{text}");
    assert!(output.stderr.is_empty(), "{text}");
}

async fn a_server_in_order_passes(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    assert!(workplace.run(&["migrate"]).status.success());
    let statuses = statuses(&workplace.run(&["doctor", "--json"]));
    let passes = |name: &str| match (kind, name) {
        (Kind::Sqlite, _) => "pass",
        (_, "disk_space") => "skipped",
        _ => "pass",
    };
    let expected = ALL.map(|name| (name.to_owned(), passes(name).to_owned()));
    assert_eq!(statuses, expected);
    let output = workplace.run(&["doctor"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("0 failed") && !text.contains("fix: "),
        "{text}"
    );
    // While it serves, too.
    let _process = workplace.serve();
    assert_eq!(status_of(&workplace, "database"), "pass");
}

async fn missing_migrations_are_named(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    if kind == Kind::Sqlite {
        fs::File::create(database.url.strip_prefix("sqlite://").unwrap()).unwrap();
    }
    assert_eq!(status_of(&workplace, "migrations"), "fail");
    assert_says(&workplace, &["not applied yet", "handstamp migrate"]);
    // Those of the news, where it is on.
    workplace.set("NEWS", "off");
    assert!(workplace.run(&["migrate"]).status.success());
    assert_eq!(status_of(&workplace, "migrations"), "pass");
    workplace.set("NEWS", "on");
    assert_eq!(status_of(&workplace, "migrations"), "fail");
}

async fn passkeys_that_are_taken_no_more_are_named(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    assert_eq!(status_of(&workplace, "passkeys"), "pass");
    workplace.set("APP_ENV", "production");
    assert_eq!(
        status_of(&workplace, "passkeys"),
        "skipped",
        "there are none"
    );
    let added = browser.add_passkey(&mut Authenticator::default()).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(status_of(&workplace, "passkeys"), "fail");
    assert_says(&workplace, &["1 are in the database", "PUBLIC_URL"]);
    let warning = "accounts have passkeys";
    assert!(!process.logs().contains(warning));
    drop(process);
    workplace.serve().wait_for_log(warning);
    // Nor are they of any use to another domain.
    workplace.set("PUBLIC_URL", "https://app.example");
    assert_eq!(status_of(&workplace, "passkeys"), "fail");
    assert_says(&workplace, &["1 of 1 passkeys", "app.example", "RP_ID"]);
    let process = workplace.serve();
    process.wait_for_log("1 of 1 passkeys were added for another domain than app.example");
    drop(process);
    // Those of which nothing is known, as an older version has added them, count as its own.
    let unknown = "update passkeys set rp_id = null";
    database.execute(unknown).await;
    assert_eq!(status_of(&workplace, "passkeys"), "pass");
    let process = workplace.serve();
    assert!(!process.logs().contains("another domain"));
}

async fn passkeys_that_cannot_be_counted_fail_the_check(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    // Before there is a table there are none.
    assert_ne!(status_of(&workplace, "passkeys"), "fail");
    assert!(workplace.run(&["migrate"]).status.success());
    database
        .execute("alter table passkeys rename to passkeys_before")
        .await;
    assert_eq!(status_of(&workplace, "passkeys"), "fail");
    workplace.set("APP_ENV", "production");
    assert_eq!(status_of(&workplace, "passkeys"), "fail");
}

async fn a_newer_database_is_named(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    assert!(workplace.run(&["migrate"]).status.success());
    database
        .execute("update _handstamp_migrations set version = 9999 where version = 3")
        .await;
    assert_eq!(status_of(&workplace, "migrations"), "fail");
    assert_says(&workplace, &["newer version"]);
}

#[test]
fn wrong_settings_are_failed_checks() {
    let workplace = Workplace::new(&[("PORT", "many"), ("SESSION_IDLE_TIMEOUT", "soon")]);
    assert_says(
        &workplace,
        &["SECRET_KEY: is not set", "PORT: ", "SESSION_IDLE_TIMEOUT: "],
    );
    let statuses = statuses(&workplace.run(&["doctor", "--json"]));
    let failed = statuses.iter().filter(|(_, status)| status == "fail");
    assert_eq!(failed.count(), 3, "{statuses:?}");
    assert!(!workplace.path(".env").exists() && !workplace.path("handstamp.db").exists());
}

#[test]
fn weak_keys_are_named() {
    let good = handstamp::auth::generate_secret_key();
    let weak = "change-me-please-change-me-please";
    for (key, fallbacks, status) in [
        (&*good, "", "pass"),
        (weak, "", "fail"),
        (&good, weak, "fail"),
    ] {
        let workplace = Workplace::new(&[("SECRET_KEY", key), ("SECRET_KEY_FALLBACKS", fallbacks)]);
        assert!(workplace.run(&["migrate"]).status.success());
        assert_eq!(status_of(&workplace, "secret_key"), status);
        let output = workplace.run(&["doctor"]);
        assert!(!String::from_utf8(output.stdout).unwrap().contains(weak));
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_named() {
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[("SECRET_KEY", &key)]);
    assert_eq!(status_of(&workplace, "database"), "fail");
    assert_says(&workplace, &["there is no file", "handstamp migrate"]);
    assert!(!workplace.path("handstamp.db").exists(), "it makes none");
    fs::write(
        workplace.path("handstamp.db"),
        "not a database".repeat(1_000),
    )
    .unwrap();
    assert_eq!(status_of(&workplace, "database"), "fail");
    assert_says(&workplace, &["file is not a database"]);
    workplace.set("DATABASE_URL", "postgres://ann:hunter2@127.0.0.1:1/news");
    assert_eq!(status_of(&workplace, "database"), "fail");
    assert_eq!(status_of(&workplace, "migrations"), "skipped");
    let output = workplace.run(&["doctor"]);
    assert!(
        !String::from_utf8(output.stdout)
            .unwrap()
            .contains("hunter2")
    );
    workplace.set("DATABASE_URL", "sqlite:///no/such/folder/handstamp.db");
    assert_eq!(status_of(&workplace, "disk_space"), "fail");
}

/// Whose database it is, and whether somebody works with it, is not known before it is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed() {
    let key = handstamp::auth::generate_secret_key();
    let workplace = Workplace::new(&[("SECRET_KEY", &key)]);
    let url = workplace.sqlite_url();
    // Another program's, without a write-ahead log.
    let made = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await;
    let made = made.unwrap();
    let table = sqlx::query("create table others (id)").execute(&made);
    table.await.unwrap();
    made.close().await;
    let file = || fs::read(workplace.path("handstamp.db")).unwrap();
    let before = file();
    assert_eq!(status_of(&workplace, "migrations"), "fail");
    assert!(before == file(), "the file was written to");
    fs::remove_file(workplace.path("handstamp.db")).unwrap();

    // A server's, which reads everything again after a write by somebody else.
    let _process = workplace.serve();
    let watching = Database::at(&url);
    let version = async || {
        watching
            .text("select data_version || '' from pragma_data_version")
            .await
    };
    let before = version().await;
    assert_eq!(status_of(&workplace, "database"), "pass");
    assert_eq!(version().await, before);
}
