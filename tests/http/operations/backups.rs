//! Backups of a SQLite database that is in use.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use serde_json::json;
use tokio::sync::Mutex;

use crate::helpers::{Database, Kind, Workplace, failed, on_both_databases, succeeded};

const KEY: &str = "a key of the backups that is long enough";

fn workplace() -> Workplace {
    Workplace::new(&[("SECRET_KEY", KEY)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_is_in_it() {
    let workplace = workplace();
    let process = workplace.serve();
    let author = process.browser();
    author.sign_up("Author").await;
    let acknowledged: Arc<Mutex<Vec<String>>> = Arc::default();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (browser, acknowledged) = (author.patient(), acknowledged.clone());
            tokio::spawn(async move {
                loop {
                    let post = browser
                        .post("/posts", json!({"title": "T", "text": "X"}))
                        .await;
                    assert_eq!(post.status, 201, "{post:?}");
                    let id = post.json()["id"].as_str().unwrap().to_owned();
                    acknowledged.lock().await.push(id);
                }
            })
        })
        .collect();
    for number in 0..5 {
        while acknowledged.lock().await.len() < 20 * (number + 1) {
            assert!(!writers.iter().any(|writer| writer.is_finished()));
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().await.clone();
        let file = format!("{number}.db");
        let output = tokio::task::block_in_place(|| workplace.run(&["backup", &file]));
        succeeded(&output);
        let path = workplace.path(&file);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let copy = Database::at(&format!("sqlite://{}", path.display()));
        assert_eq!(copy.integrity_check().await, "ok");
        let held = copy.count("posts").await;
        assert!(
            held >= i64::try_from(before.len()).unwrap(),
            "{held} of {}",
            before.len()
        );
        for id in before {
            let row = format!("posts where lower(hex(id)) = '{}'", id.replace('-', ""));
            assert_eq!(copy.count(&row).await, 1, "{id}");
        }
        copy.close().await;
    }
    for writer in writers {
        writer.abort();
    }
    let left: Vec<_> = fs::read_dir(workplace.path("")).unwrap().collect();
    let hidden = left.iter().filter(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with('.')
    });
    assert_eq!(hidden.count(), 0, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_overwritten_by_accident() {
    let workplace = workplace();
    succeeded(&workplace.run(&["migrate"]));
    let file = workplace.path("a.db");
    fs::write(&file, "mine").unwrap();
    let refused = failed(&workplace.run(&["backup", "a.db"]), 1);
    assert!(refused.contains("a.db exists; --force"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    succeeded(&workplace.run(&["backup", "a.db", "--force"]));
    assert!(fs::read(&file).unwrap().starts_with(b"SQLite format 3"));

    fs::hard_link(workplace.path("handstamp.db"), workplace.path("same.db")).unwrap();
    let before = fs::read(workplace.path("handstamp.db")).unwrap();
    for own in ["handstamp.db", "./handstamp.db", "same.db"] {
        let refused = failed(&workplace.run(&["backup", own, "--force"]), 2);
        assert!(refused.contains("the database itself"), "{refused}");
    }
    assert_eq!(fs::read(workplace.path("handstamp.db")).unwrap(), before);
    fs::create_dir(workplace.path("folder")).unwrap();
    failed(&workplace.run(&["backup", "folder", "--force"]), 1);
    let refused = failed(&workplace.run(&["backup", "nowhere/a.db"]), 1);
    assert!(refused.contains("nowhere"), "{refused}");
}

/// SQLite would apply it to the backup, and find nothing wrong.
#[tokio::test(flavor = "multi_thread")]
async fn no_log_of_another_database_meets_a_backup() {
    let workplace = workplace();
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    succeeded(&workplace.run(&["backup", "a.db"]));
    // The backup is served for a rehearsal, and the server killed.
    let mut rehearsal = Workplace::new(&[("SECRET_KEY", KEY)]);
    let file = workplace.path("a.db");
    rehearsal.set("DATABASE_URL", &format!("sqlite://{}", file.display()));
    let process = rehearsal.serve();
    process.browser().sign_up("Rehearsal").await;
    let refused = failed(&workplace.run(&["backup", "a.db", "--force"]), 1);
    assert!(refused.contains("has it open"), "{refused}");
    process.kill();
    let log = workplace.path("a.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    let kept = fs::read(&log).unwrap();

    let refused = failed(&workplace.run(&["restore", "a.db", "--force"]), 1);
    assert!(refused.contains("a.db-wal lies beside a.db"), "{refused}");
    fs::remove_file(&file).unwrap();
    let refused = failed(&workplace.run(&["backup", "a.db"]), 1);
    assert!(refused.contains("a.db-wal is left of"), "{refused}");
    assert!(!file.exists() && fs::read(&log).unwrap() == kept);
    succeeded(&workplace.run(&["user", "add", "Bob", "--no-password"]));
    succeeded(&workplace.run(&["backup", "a.db", "--force"]));
    assert!(!log.exists());
    let copy = Database::at(&format!("sqlite://{}", file.display()));
    assert_eq!(copy.integrity_check().await, "ok");
    assert_eq!(copy.count("users where username = 'Rehearsal'").await, 0);
    assert_eq!(copy.count("users where username = 'Bob'").await, 1);
}

#[test]
fn a_link_to_a_missing_file_is_a_name_that_is_taken() {
    let workplace = workplace();
    succeeded(&workplace.run(&["migrate"]));
    let link = workplace.path("a.db");
    std::os::unix::fs::symlink("nowhere.db", &link).unwrap();
    let refused = failed(&workplace.run(&["backup", "a.db"]), 1);
    assert!(refused.contains("a.db is a link"), "{refused}");
    assert!(link.is_symlink());
    succeeded(&workplace.run(&["backup", "a.db", "--force"]));
    assert!(!link.is_symlink());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_of_an_unfinished_move_is_not_backed_up() {
    let workplace = workplace();
    succeeded(&workplace.run(&["migrate"]));
    let database = Database::at(&workplace.sqlite_url());
    database
        .execute("create table _handstamp_move (name text)")
        .await;
    let refused = failed(&workplace.run(&["backup", "a.db"]), 1);
    assert!(refused.contains("not finished"), "{refused}");
    assert!(!workplace.path("a.db").exists());
}

/// As before an upgrade: the backup is for the version that the database belongs to.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_migrates_nothing() {
    let workplace = workplace();
    succeeded(&workplace.run(&["migrate"]));
    let database = Database::at(&workplace.sqlite_url());
    database
        .execute("delete from _handstamp_migrations where version > 1")
        .await;
    database.close().await;
    succeeded(&workplace.run(&["backup", "a.db"]));
    let copy = Database::at(&format!("sqlite://{}", workplace.path("a.db").display()));
    for database in [&database_again(&workplace), &copy] {
        assert_eq!(database.count("_handstamp_migrations").await, 1);
    }
}

fn database_again(workplace: &Workplace) -> Database {
    Database::at(&workplace.sqlite_url())
}

on_both_databases!(postgres_has_programs_of_its_own);

async fn postgres_has_programs_of_its_own(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url)]);
    succeeded(&workplace.run(&["migrate"]));
    let backup = workplace.run(&["backup", "a.db"]);
    if kind == Kind::Sqlite {
        succeeded(&backup);
        return;
    }
    for output in [backup, workplace.run(&["restore", "a.db", "--force"])] {
        let refused = failed(&output, 2);
        assert!(
            refused.contains("pg_dump") && refused.contains("pg_restore"),
            "{refused}"
        );
    }
    assert!(!workplace.path("a.db").exists());
}
