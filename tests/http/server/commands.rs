//! What commands say when something is missing, misspelt or broken.

use std::{path::Path, process::Output};

use handstamp::auth::generate_secret_key;
use serde_json::Value;

use crate::helpers::{Database, Kind, PASSWORD, Workplace, on_both_databases};

on_both_databases!(
    the_databases_own_error_is_shown,
    nobody_is_said_to_be_nobody,
    a_sign_up_is_a_login,
    a_line_of_the_log_names_its_request_once,
);

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder of its own on `database`.
fn workplace_of(database: &Database) -> Workplace {
    let key = generate_secret_key();
    Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)])
}

#[test]
fn a_missing_file_is_named_and_not_made() {
    // Where mails can be sent, as `user invite` and `user reset` look at that first.
    let key = generate_secret_key();
    let workplace = Workplace::new(&[
        ("SECRET_KEY", &key),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "app@app.example"),
        ("PUBLIC_URL", "https://app.example"),
    ]);
    for command in [
        &["user", "list"][..],
        &["user", "show", "Ann"],
        &["user", "disable", "Ann"],
        &["user", "enable", "Ann"],
        &["user", "sign-out", "Ann"],
        &["user", "sign-out", "--all"],
        &["user", "delete", "Ann"],
        &["user", "sessions", "Ann"],
        &["user", "password", "Ann", "--password-stdin"],
        &["user", "email", "Ann", "--email", "ann@example.com"],
        &["user", "invite", "Ann", "--email", "ann@example.com"],
        &["user", "reset", "Ann"],
        &["user", "reset-second-factor", "Ann"],
        &["user", "passkeys", "Ann"],
        &["audit"],
        &["backup", "backup.db"],
        &["move-database", "--to", "sqlite://other.db"],
        &["demo"],
    ] {
        let output = workplace.run(command);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
        let path = workplace
            .path("")
            .canonicalize()
            .unwrap()
            .join("handstamp.db");
        let text = stderr(&output);
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert!(!path.exists(), "{command:?}");
    }
    let add = ["user", "add", "Ann", "--no-password"];
    assert!(workplace.run(&add).status.success());
    assert!(workplace.run(&["user", "list"]).status.success());
}

#[test]
fn a_proof_of_a_device_counts_for_a_second_at_least() {
    let workplace = Workplace::new(&[
        ("SECRET_KEY", &generate_secret_key()),
        ("DEVICE_BOUND_SESSIONS", "off"),
        ("DEVICE_PROOF_LIFETIME", "999ms"),
        ("PORT", "a"),
    ]);
    let output = workplace.run(&["serve"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = stderr(&output);
    let names = text.lines().map(|line| line.split(':').next().unwrap());
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["PORT", "DEVICE_PROOF_LIFETIME"], "{text}");
    let report = workplace.run(&["doctor"]);
    assert_eq!(report.status.code(), Some(1), "{report:?}");
    let report = stdout(&report);
    let named = report
        .lines()
        .any(|line| line.contains("FAIL") && line.contains("DEVICE_PROOF_LIFETIME"));
    assert!(named, "{report}");
}

#[test]
fn misspelt_settings_are_told() {
    let workplace = Workplace::new(&[("SECRET_KEY", &generate_secret_key())]);
    let dotenv = |text: &str| std::fs::write(workplace.path(".env"), text).unwrap();
    dotenv("SESION_IDLE_TIMEOUT=1h\nPORTT=5\nVITE_API_URL=x\n");
    for command in [&["serve"][..], &["migrate"], &["user", "list"]] {
        let output = workplace.run(command);
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let text = stderr(&output);
        let mistakes: Vec<_> = text
            .lines()
            .filter(|line| line.contains(": is no setting"))
            .collect();
        assert_eq!(mistakes.len(), 2, "{text}");
        assert!(
            mistakes[0].starts_with("PORTT: ") && mistakes[0].contains(" PORT "),
            "{text}"
        );
        assert!(
            mistakes[1].starts_with("SESION_IDLE_TIMEOUT: ")
                && mistakes[1].contains(" SESSION_IDLE_TIMEOUT "),
            "{text}"
        );
    }
    // Another program's names, and what may be a secret that ends in `=`.
    dotenv("VITE_API_URL=x\nRUST_LOG=info\nc2VjcmV0=\n");
    let output = workplace.run(&["migrate"]);
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("WARN") && text.contains("VITE_API_URL in .env"),
        "{text}"
    );
    assert!(
        !text.contains("RUST_LOG") && !text.contains("c2VjcmV0"),
        "{text}"
    );
    let process = workplace.serve();
    process.wait_for_log("VITE_API_URL in .env");
}

#[test]
fn misspelt_names_in_the_environment_are_warned_about() {
    let key = generate_secret_key();
    let workplace = Workplace::new(&[
        ("SECRET_KEY", &key),
        ("SESION_IDLE_TIMEOUT", "1h"),
        ("HOME", "/nowhere"),
        ("PGPORT", "1"),
    ]);
    let process = workplace.serve();
    process.wait_for_log("SESION_IDLE_TIMEOUT");
    let logs = process.logs();
    assert!(logs.contains("is SESSION_IDLE_TIMEOUT meant?"), "{logs}");
    assert!(!logs.contains("PGPORT") && !logs.contains("HOME"), "{logs}");
}

async fn the_databases_own_error_is_shown(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    assert!(workplace.run(&["migrate"]).status.success());
    database
        .execute("alter table audit_events rename to elsewhere")
        .await;
    let output = workplace.run(&["audit"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(
        text.contains("audit_events") && !text.contains("Try again"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
    workplace.set("RUST_LOG", "info");
    let text = stderr(&workplace.run(&["audit"]));
    assert!(
        text.contains(" INFO ") && text.lines().count() > 1,
        "{text}"
    );
}

#[test]
fn a_broken_file_is_said_to_be_broken() {
    let workplace = Workplace::new(&[]);
    std::fs::write(
        workplace.path("handstamp.db"),
        "not a database".repeat(1_000),
    )
    .unwrap();
    let output = workplace.run(&["user", "list"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        stderr(&output).contains("file is not a database"),
        "{output:?}"
    );
}

#[test]
fn the_password_of_the_database_is_not_shown() {
    let url = "postgres://hunter2%21:hunter2%21@127.0.0.1:1/hunter2!";
    let workplace = Workplace::new(&[("DATABASE_URL", url)]);
    let output = workplace.run(&["user", "list"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!stderr(&output).contains("hunter2"), "{output:?}");
}

async fn nobody_is_said_to_be_nobody(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    assert!(workplace.run(&["migrate"]).status.success());
    let list = stdout(&workplace.run(&["user", "list"]));
    assert!(list.starts_with("there are no users yet"), "{list}");
    assert_eq!(list.lines().count(), 1);
}

async fn a_sign_up_is_a_login(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    let process = workplace.serve();
    process.browser().sign_up("Ann").await;
    let shown = stdout(&workplace.run(&["user", "show", "Ann"]));
    let field = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(field("last login"), field("created"), "{shown}");
    let add = ["user", "add", "Ben", "--no-password"];
    assert!(workplace.run(&add).status.success());
    let shown = stdout(&workplace.run(&["user", "show", "Ben"]));
    assert!(shown.contains("last login  never"), "{shown}");
}

async fn a_line_of_the_log_names_its_request_once(kind: Kind) {
    let database = Database::new(kind).await;
    for (environment, filter) in [
        ("production", "debug"),
        ("production", "info"),
        ("production", "handstamp::audit=info"),
        ("development", "debug"),
        ("development", "info"),
    ] {
        let mut workplace = workplace_of(&database);
        workplace.set("APP_ENV", environment);
        workplace.set("RUST_LOG", filter);
        let process = workplace.serve();
        let browser = process.browser();
        let name = format!("{environment}.{}", filter.len());
        let body = serde_json::json!({
            "username": name,
            "email": format!("{name}@example.com"),
            "password": PASSWORD,
        });
        let answer = browser.post("/signup", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        process.wait_for_log("sign_up");
        let logs = process.logs();
        let lines: Vec<_> = logs.lines().filter(|line| line.contains(&id)).collect();
        assert!(!lines.is_empty(), "{logs}");
        for line in lines {
            assert_eq!(line.matches(&id).count(), 1, "{line}");
            if environment == "production" {
                let line: Value = serde_json::from_str(line).unwrap();
                let named = [&line["request_id"], &line["span"]["request_id"]];
                assert!(named.contains(&&Value::from(&*id)), "{line}");
            }
        }
    }
}

#[test]
fn what_to_try_is_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "mine").unwrap();
    let mine = folder.path().to_str().unwrap();
    for (settings, shown, hidden) in [
        (
            &[][..],
            &["/signup\n", "/posts\n", "The page: http://"][..],
            &["/api/"][..],
        ),
        (
            &[
                ("NEWS", "off"),
                ("SIGNUP", "closed"),
                ("API_PREFIX", "/api"),
                ("WEB_DIR", mine),
            ],
            &[
                "handstamp user add Ann",
                "/api/login\n",
                "The page: http://",
            ],
            &["/signup", "/posts", "WEB_DIR"],
        ),
    ] {
        let mut workplace = Workplace::new(&[]);
        for (name, value) in settings {
            workplace.set(name, value);
        }
        let said = workplace.serve().said();
        for text in shown {
            assert!(said.contains(text), "{text}: {said}");
        }
        for text in hidden {
            assert!(!said.contains(text), "{text}: {said}");
        }
        assert!(Path::new(&workplace.path(".env")).exists());
    }
}
