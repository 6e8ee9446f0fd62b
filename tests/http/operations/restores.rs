//! Backups put in the place of a SQLite database.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
};

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

/// What the restore itself has written stays in the log of its copy, which SQLite does not say.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_log_cannot_be_written_back_is_not_installed() {
    let (workplace, process, ann) = backed_up().await;
    process.stop();
    let backup = workplace.path("backup.db");
    let database = Database::at(&format!("sqlite://{}", backup.display()));
    // Grows with each session that ends.
    database.execute("create table ballast (bytes blob)").await;
    let trigger = "create trigger ended after delete on sessions
                   begin insert into ballast values (zeroblob(200000)); end";
    database.execute(trigger).await;
    database.close().await;
    let before = fs::read(workplace.path("handstamp.db")).unwrap();
    let limit = fs::metadata(&backup).unwrap().len().max(280_000) + 40_000;
    let end = ["restore", "backup.db", "--force", "--end-sessions"];
    let refused = failed(&workplace.run_with_file_size(&end, limit), 1);
    assert!(
        refused.contains("backup.db cannot be restored"),
        "{refused}"
    );
    assert_eq!(fs::read(workplace.path("handstamp.db")).unwrap(), before);
    succeeded(&workplace.run(&end));
    let process = workplace.serve();
    let check = process.browser().check_with(&cookie(&ann)).await;
    assert_eq!(check.reason(), "unknown_session");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_keeps_its_owner_and_mode() {
    let (workplace, process, _) = backed_up().await;
    process.stop();
    let place = workplace.path("handstamp.db");
    let found = || fs::metadata(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if is_root {
        chown(&place, Some(65_534), Some(65_533)).unwrap();
    }
    let before = found();
    succeeded(&workplace.run(&["restore", "backup.db", "--force"]));
    assert_eq!(found().permissions().mode() & 0o777, 0o640);
    assert_eq!((found().uid(), found().gid()), (before.uid(), before.gid()));
    if is_root {
        // A new one belongs to whom the folder belongs to.
        fs::remove_file(&place).unwrap();
        chown(workplace.path(""), Some(65_532), Some(65_531)).unwrap();
        succeeded(&workplace.run(&["restore", "backup.db"]));
        assert_eq!((found().uid(), found().gid()), (65_532, 65_531));
        assert_eq!(found().permissions().mode() & 0o777, 0o600);
    }
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

    fs::copy(workplace.path("backup.db"), workplace.path("news.db")).unwrap();
    let news = Database::at(&format!("sqlite://{}", workplace.path("news.db").display()));
    let later = later.replace("_handstamp_migrations", "_handstamp_news_migrations");
    news.execute(&later).await;
    news.close().await;

    for (file, what) in [
        ("news.db", "newer version"),
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
    // Also when it leads to a file that was lost.
    fs::remove_file(&elsewhere).unwrap();
    succeeded(&workplace.run(&["restore", "backup.db"]));
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
    let process = workplace.serve();
    assert_eq!(process.browser().check_with(&session).await.status, 200);
}
