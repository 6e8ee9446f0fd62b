//! Everything moves to the other database, and servers go on there.

use std::{io::Read, path::PathBuf, process::Child, time::Duration};

use serde_json::{Value, json};

use crate::helpers::{
    Authenticator, Browser, Database, Kind, Process, Workplace, guess, on_both_databases, succeeded,
};

on_both_databases!(
    everything_moves_and_everybody_stays_logged_in,
    a_database_without_news_moves_without,
    a_source_that_is_in_use_is_not_written_to_meanwhile,
);

pub const KEY: &str = "a key of the moves that is long enough";

/// A folder to move `database` from.
pub fn workplace_of(database: &Database) -> Workplace {
    Workplace::new(&[("SECRET_KEY", KEY), ("DATABASE_URL", &database.url)])
}

/// The other kind of database, without rows.
pub async fn other(kind: Kind) -> Database {
    match kind {
        Kind::Sqlite => Database::new(Kind::Postgres).await,
        Kind::Postgres | Kind::PgBouncer => Database::new(Kind::Sqlite).await,
    }
}

/// Waits until rows are in the target. A SQLite file that is open is no target, so it is missing
/// first, and not looked at before the move has opened it.
async fn wait_until_copying(target: &Database, moving: &mut Child) {
    if let Some(file) = target.url.strip_prefix("sqlite://") {
        let log = PathBuf::from(format!("{file}-wal"));
        while !log.exists() {
            assert!(moving.try_wait().unwrap().is_none(), "it has ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let begun = "sqlite_master where name = '_handstamp_move'";
        target.count_until(begun, 1).await;
    }
    while target.count("users").await == 0 {
        if moving.try_wait().unwrap().is_some() {
            let mut errors = String::new();
            let stderr = moving.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut errors).unwrap();
            panic!("it has ended: {errors}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn cookie(browser: &Browser) -> String {
    format!("session={}", browser.session().unwrap())
}

/// What a browser sees, which must be the same after the move.
async fn seen(process: &Process, session: &str, visitor: &str, post: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let browser = process.browser();
    for (path, cookie) in [
        ("/checklogin", session),
        ("/sessions", session),
        ("/posts", session),
        ("/posts?author=me", session),
        (post, session),
        // It was opened before, and counts as opened.
        (post, visitor),
    ] {
        let answer = browser.get_with(path, cookie).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        seen.push(answer.json());
    }
    seen
}

async fn everything_moves_and_everybody_stays_logged_in(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    let process = workplace.serve();
    let (ann, bob, visitor) = (process.browser(), process.browser(), process.browser());
    ann.sign_up("Ännchen").await;
    bob.sign_up("Bob").await;
    let added = ann.add_passkey(&mut Authenticator::default()).await;
    assert_eq!(added.status, 201, "{added:?}");
    let text = "Line one\nline two\t\"quoted\" \\ 'single' 🦀 \u{202e}";
    let post = ann
        .post("/posts", json!({"title": "Ünïcode", "text": text}))
        .await;
    let post = format!("/posts/{}", post.json()["id"].as_str().unwrap());
    bob.post(&format!("{post}/comments"), json!({"text": text}))
        .await;
    bob.send(bob.request(reqwest::Method::PUT, &format!("{post}/vote")))
        .await;
    visitor.get(&post).await;
    for _ in 0..3 {
        guess(&process.browser(), "Bob").await;
    }
    let bobs = cookie(&bob);
    bob.log_out().await;
    succeeded(&workplace.run(&["user", "add", "NoMail", "--no-password"]));
    succeeded(&workplace.run(&["user", "disable", "NoMail"]));
    let (session, visitors) = (cookie(&ann), cookie(&visitor));
    let before = seen(&process, &session, &visitors, &post).await;
    assert_eq!(process.stop(), Some(0));

    let target = other(kind).await;
    let said = succeeded(&workplace.run(&["move-database", "--to", &target.url]));
    assert!(!said.contains("not copied"), "{said}");
    for table in [
        "users",
        "sessions",
        "throttles",
        "audit_events",
        "account_tokens",
        "passkeys",
        "posts",
        "comments",
        "votes",
        "free_reads",
    ] {
        let rows = database.count(table).await;
        assert!(rows > 0, "{table}");
        assert_eq!(target.count(table).await, rows, "{table}");
        let line = said.lines().find(|line| line.starts_with(table)).unwrap();
        assert!(line.contains(&format!(" {rows} rows")), "{line}");
    }
    let domains = "passkeys where rp_id = 'localhost'";
    assert_eq!(target.count(domains).await, 1);
    for database in [&database, &target] {
        database.close().await;
    }
    workplace.set("DATABASE_URL", &target.url);
    let process = workplace.serve();
    assert_eq!(seen(&process, &session, &visitors, &post).await, before);
    let check = process.browser().check_with(&bobs).await;
    assert_eq!(
        check.reason(),
        "unknown_session",
        "an ended one stays ended"
    );
    // Whoever failed three times has failed three times.
    for _ in 0..7 {
        guess(&process.browser(), "Bob").await;
    }
    assert_eq!(process.browser().log_in("Bob").await.status, 429);
    let browser = process.browser();
    let log_out = browser
        .request(reqwest::Method::DELETE, "/logout")
        .header("cookie", &session);
    assert_eq!(browser.send(log_out).await.status, 200);
    assert_eq!(
        browser.check_with(&session).await.reason(),
        "unknown_session"
    );
    assert_eq!(process.stop(), Some(0));

    // And back again: the two copies of a row are one and the same.
    let back = Database::new(kind).await;
    let there = succeeded(&workplace.run(&["move-database", "--to", &back.url]));
    let (table, checksum) = line_of(&said, "posts");
    assert_eq!(line_of(&there, table), (table, checksum));
}

/// The name and checksum of a table in what the command has said.
fn line_of<'a>(said: &'a str, table: &str) -> (&'a str, &'a str) {
    let line = said.lines().find(|line| line.starts_with(table)).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    (words[0], words[3])
}

async fn a_database_without_news_moves_without(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    workplace.set("NEWS", "off");
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    let own = "create table profiles (name text primary key)";
    database.execute(own).await;
    database.close().await;
    // An empty database of this version is as good as a new one.
    let target = other(kind).await;
    let there = workplace_of(&target);
    succeeded(&there.run(&["migrate"]));
    let said = succeeded(&workplace.run(&["move-database", "--to", &target.url]));
    assert!(
        said.contains("not handstamp's, and not copied: profiles\n"),
        "{said}"
    );
    assert!(!said.contains("posts"), "{said}");
    assert_eq!(target.count("users").await, 1);
}

/// A move of so many users that has copied some of its rows.
pub async fn begun(kind: Kind, users: u32) -> (Database, Workplace, Database, Child) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    succeeded(&workplace.run(&["migrate"]));
    database.add_users(users).await;
    database.close().await;
    let target = other(kind).await;
    if kind == Kind::Sqlite {
        // So that there are tables to look at.
        succeeded(&workplace_of(&target).run(&["migrate"]));
    }
    let mut moving = workplace.start_command(&["move-database", "--to", &target.url]);
    wait_until_copying(&target, &mut moving).await;
    (database, workplace, target, moving)
}

/// Servers are stopped first. One that was forgotten cannot write what would be lost.
async fn a_source_that_is_in_use_is_not_written_to_meanwhile(kind: Kind) {
    let (database, workplace, target, mut moving) = begun(kind, 20_000).await;
    assert!(moving.try_wait().unwrap().is_none(), "it is under way");
    let late = workplace.run(&["user", "add", "Late", "--no-password"]);
    let moved = moving.wait_with_output().unwrap();
    succeeded(&moved);
    // It either failed, or waited until the move was over.
    assert_eq!(target.count("users").await, 20_000);
    let added = i64::from(late.status.success());
    assert_eq!(database.count("users").await, 20_000 + added);
}

/// Version 0.1.0 recorded its migrations in sqlx's own table, those of the news among them.
#[tokio::test(flavor = "multi_thread")]
async fn news_of_an_older_version_move_too() {
    let database = Database::new(Kind::Sqlite).await;
    let workplace = workplace_of(&database);
    let process = workplace.serve();
    let ann = process.browser();
    ann.sign_up("Ann").await;
    ann.post("/posts", json!({"title": "News", "text": "Some."}))
        .await;
    process.stop();
    database
        .execute(
            "create table _sqlx_migrations (
                 version bigint primary key, description text not null,
                 installed_on timestamp not null default current_timestamp,
                 success boolean not null, checksum blob not null, execution_time bigint not null)",
        )
        .await;
    for set in ["_handstamp_migrations", "_handstamp_news_migrations"] {
        let copy = format!(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             select version, description, true, checksum, 0 from {set}"
        );
        database.execute(&copy).await;
        database.execute(&format!("drop table {set}")).await;
    }
    database.close().await;
    let target = other(Kind::Sqlite).await;
    succeeded(&workplace.run(&["move-database", "--to", &target.url]));
    assert_eq!(target.count("posts").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_pgbouncer_too() {
    let database = Database::new(Kind::Sqlite).await;
    let mut workplace = workplace_of(&database);
    succeeded(&workplace.run(&["migrate"]));
    database.add_users(3_000).await;
    database.close().await;
    let target = Database::new(Kind::PgBouncer).await;
    succeeded(&workplace.run(&["move-database", "--to", &target.url]));
    assert_eq!(target.count("users").await, 3_000);
    workplace.set("DATABASE_URL", &target.url);
    let back = Database::new(Kind::Sqlite).await;
    succeeded(&workplace.run(&["move-database", "--to", &back.url]));
    assert_eq!(back.count("users").await, 3_000);
}
