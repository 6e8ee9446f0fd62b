//! Backups put in the place of a SQLite database.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::helpers::{Browser, Database, Process, Workplace, failed, succeeded};

const KEY: &str = "a key of the restores that is long enough";

/// Ann is logged in, and a backup was made; the server runs.
async fn backed_up() -> (Workplace, Process, Browser) {
    let workplace = Workplace::new(&[("SECRET_KEY", KEY)]);
    let process = workplace.serve();
    let ann = process.browser();
    ann.sign_up("Ann").await;
    succeeded(&workplace.run(&["backup", "backup.db"]));
    (workplace, process, ann)
}

fn cookie(browser: &Browser) -> String {
    format!("session={}", browser.session().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_come_back_are_told() {
    let (workplace, process, ann) = backed_up().await;
    let session = cookie(&ann);
    ann.log_out().await;
    process.browser().sign_up("Later").await;
    process.stop();
    let said = succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
    assert!(
        said.contains("sessions that are live again: 1, also those"),
        "{said}"
    );
    let mode = fs::metadata(workplace.path("handstamp.db"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let process = workplace.serve();
    assert_eq!(process.browser().check_with(&session).await.status, 200);
    assert_eq!(
        process.browser().log_in("Later").await.status,
        400,
        "they are not in it"
    );
    process.stop();

    let end = ["restore", "backup.db", "--force", "--end-sessions"];
    let said = succeeded(&workplace.run(&end));
    assert!(said.contains("sessions ended: 1;"), "{said}");
    let process = workplace.serve();
    let check = process.browser().check_with(&session).await;
    assert_eq!(check.reason(), "unknown_session");
    let database = Database::at(&workplace.sqlite_url());
    assert_eq!(
        database
            .count("audit_events where event = 'end_all_sessions'")
            .await,
        1
    );
    assert_eq!(process.browser().log_in("Ann").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_open_is_not_replaced() {
    let (workplace, process, ann) = backed_up().await;
    let refused = |arguments: &[&str]| {
        let refused = failed(&workplace.run(arguments), 1);
        assert!(refused.contains("has it open"), "{refused}");
    };
    refused(&["restore", "backup.db"]);
    refused(&["restore", "backup.db", "--force"]);
    // One that nobody has used for a while.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    refused(&["restore", "backup.db", "--force"]);
    assert_eq!(ann.check().await.status, 200);
    process.kill();
    // Any other program.
    let database = Database::at(&workplace.sqlite_url());
    database.count("users").await;
    refused(&["restore", "backup.db", "--force"]);
    database.close().await;
    succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_left_behind_does_not_come_back() {
    let (workplace, process, _) = backed_up().await;
    process.browser().sign_up("Later").await;
    process.kill();
    let log = workplace.path("handstamp.db-wal");
    assert!(
        fs::metadata(&log).unwrap().len() > 0,
        "it was killed with a log"
    );
    succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
    assert!(!log.exists());
    let database = Database::at(&workplace.sqlite_url());
    assert_eq!(database.integrity_check().await, "ok");
    assert_eq!(database.count("users where username = 'Later'").await, 0);
    assert_eq!(database.count("users where username = 'Ann'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_sound_handstamp_database_is_restored() {
    let (workplace, process, _) = backed_up().await;
    process.stop();
    let before = fs::read(workplace.path("handstamp.db")).unwrap();
    fs::write(workplace.path("text.db"), "not a database".repeat(1_000)).unwrap();
    fs::write(workplace.path("empty.db"), "").unwrap();
    let other = format!("sqlite://{}?mode=rwc", workplace.path("other.db").display());
    let other = Database::at(&other);
    other.execute("create table users (id integer)").await;
    other.close().await;
    let mut damaged = fs::read(workplace.path("backup.db")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8_192].fill(0x5a);
    fs::write(workplace.path("damaged.db"), damaged).unwrap();
    fs::copy(workplace.path("backup.db"), workplace.path("newer.db")).unwrap();
    let newer = Database::at(&format!(
        "sqlite://{}",
        workplace.path("newer.db").display()
    ));
    let later = "insert into _handstamp_migrations (version, description, checksum)
                 values (9999, 'later', x'00')";
    newer.execute(later).await;
    newer.close().await;

    for (file, what) in [
        ("text.db", "not a database"),
        ("empty.db", "no handstamp database"),
        ("other.db", "no handstamp database"),
        ("damaged.db", "damaged.db cannot be restored"),
        ("newer.db", "newer version"),
        ("missing.db", "there is no file missing.db"),
    ] {
        let refused = failed(&workplace.run(&["restore", file, "--force"]), 1);
        assert!(refused.contains(what), "{file}: {refused}");
        assert_eq!(
            fs::read(workplace.path("handstamp.db")).unwrap(),
            before,
            "{file}"
        );
    }
    let refused = failed(&workplace.run(&["restore", "handstamp.db", "--force"]), 2);
    assert!(refused.contains("the database itself"), "{refused}");
    let refused = failed(&workplace.run(&["restore", "backup.db"]), 1);
    assert!(refused.contains("exists; --force"), "{refused}");
    assert_eq!(fs::read(workplace.path("handstamp.db")).unwrap(), before);
    let hidden = fs::read_dir(workplace.path("")).unwrap().filter(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_broken_database_comes_back() {
    let (workplace, process, ann) = backed_up().await;
    let session = cookie(&ann);
    process.stop();
    let place = workplace.path("handstamp.db");
    fs::remove_file(&place).unwrap();
    succeeded(&workplace.run(&["restore", "backup.db"]));
    fs::write(&place, "broken".repeat(10_000)).unwrap();
    failed(&workplace.run(&["restore", "backup.db"]), 1);
    succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
    // A link to where the database really is stays one.
    let elsewhere = workplace.path("elsewhere.db");
    fs::rename(&place, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    let process = workplace.serve();
    assert_eq!(process.browser().check_with(&session).await.status, 200);
}
