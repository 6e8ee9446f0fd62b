//! Moves that are refused, with both databases left as they were.

use std::fs;

use super::moves::{other, workplace_of};
use crate::helpers::{Database, Kind, Workplace, failed, on_both_databases, succeeded};

on_both_databases!(
    a_target_with_rows_is_left_alone,
    the_source_itself_is_no_target,
    what_cannot_be_copied_is_named,
    a_file_that_is_served_is_not_moved,
);

async fn a_target_with_rows_is_left_alone(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    let target = other(kind).await;
    // A table of whoever else uses the database.
    if kind == Kind::Postgres {
        let file = target.url.strip_prefix("sqlite://").unwrap();
        fs::write(file, "").unwrap();
    }
    target.execute("create table profiles (name text)").await;
    target.execute("insert into profiles values ('Bob')").await;
    target.close().await;
    let bytes = || match kind {
        Kind::Postgres => fs::read(target.url.strip_prefix("sqlite://").unwrap()).unwrap(),
        _ => Vec::new(),
    };
    let before = bytes();
    let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
    assert!(refused.contains("holds rows (in profiles)"), "{refused}");
    assert_eq!(bytes(), before);
    let target = Database::at(&target.url);
    let ours = match kind {
        Kind::Postgres => "sqlite_master where name = 'users'",
        _ => "pg_class where relname = 'users' and relkind = 'r'",
    };
    assert_eq!(target.count(ours).await, 0, "nothing was created");
}

async fn the_source_itself_is_no_target(kind: Kind) {
    let database = Database::new(kind).await;
    let mut workplace = workplace_of(&database);
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    let mut names = vec![database.url.clone()];
    match kind {
        Kind::Sqlite => {
            let file = database.url.strip_prefix("sqlite://").unwrap();
            let link = workplace.path("link.db");
            std::os::unix::fs::symlink(file, &link).unwrap();
            names.push(format!("sqlite://{}", link.display()));
        }
        _ => names.push(format!("{}&application_name=mover", database.url)),
    }
    for name in &names {
        let refused = failed(&workplace.run(&["move-database", "--to", name]), 2);
        assert!(refused.contains("is the database to move"), "{refused}");
    }
    // Also while it has no rows.
    let empty = Database::new(kind).await;
    workplace.set("DATABASE_URL", &empty.url);
    succeeded(&workplace.run(&["migrate"]));
    failed(&workplace.run(&["move-database", "--to", &empty.url]), 2);
    assert_eq!(database.count("users").await, 1);
}

async fn what_cannot_be_copied_is_named(kind: Kind) {
    let first = Database::new(kind).await;
    let database = Database::at(&first.url);
    let workplace = workplace_of(&database);
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    let target = other(kind).await;
    let values: &[_] = match kind {
        Kind::Sqlite => &["'soon'"],
        _ => &["'infinity'", "'12000-01-01'", "'0002-01-01 BC'"],
    };
    for value in values {
        database
            .execute(&format!("update users set last_login_at = {value}"))
            .await;
        database.close().await;
        let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
        assert!(
            refused.contains("users.last_login_at holds a value"),
            "{refused}"
        );
    }
    database
        .execute("update users set last_login_at = null")
        .await;
    database
        .execute("alter table users add column shoe_size bigint")
        .await;
    database.close().await;
    let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
    assert!(refused.contains("users has different columns") && refused.contains("shoe_size"));
    database
        .execute("alter table users drop column shoe_size")
        .await;
    if kind == Kind::Sqlite {
        // PostgreSQL's text has no NUL.
        database
            .execute("update users set email = 'a' || char(0)")
            .await;
        database.close().await;
        let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
        assert!(
            refused.contains("refuses rows of users") && !refused.contains("run it again"),
            "{refused}"
        );
        database.execute("update users set email = null").await;
    }
    database.close().await;
    succeeded(&workplace.run(&["move-database", "--to", &target.url]));
    assert_eq!(target.count("users").await, 1);
}

async fn a_file_that_is_served_is_not_moved(kind: Kind) {
    let database = Database::new(kind).await;
    let workplace = workplace_of(&database);
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    let target = other(kind).await;
    let served = match kind {
        Kind::Sqlite => workplace.serve(),
        _ => workplace_of(&target).serve(),
    };
    let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
    assert!(refused.contains("has it open"), "{refused}");
    served.stop();
    succeeded(&workplace.run(&["move-database", "--to", &target.url]));
}

/// What migrates finds tables on the whole path, and what copies looks at one schema.
#[tokio::test(flavor = "multi_thread")]
async fn tables_in_another_schema_of_the_search_path_are_not_passed_over() {
    let database = Database::new(Kind::Postgres).await;
    let mut workplace = workplace_of(&database);
    succeeded(&workplace.run(&["user", "add", "Ann", "--no-password"]));
    database.execute("create schema other").await;
    let file = Database::new(Kind::Sqlite).await;
    for (path, what) in [
        ("other,public", "tables in the schema public"),
        ("nowhere", "no schema of its search_path"),
    ] {
        let url = format!("{}&options[search_path]={path}", database.url);
        workplace.set("DATABASE_URL", &url);
        let refused = failed(&workplace.run(&["move-database", "--to", &file.url]), 1);
        assert!(refused.contains(what), "{refused}");
        let from = workplace_of(&file);
        succeeded(&from.run(&["migrate"]));
        let refused = failed(&from.run(&["move-database", "--to", &url]), 1);
        assert!(refused.contains(what), "{refused}");
    }
    let made = "pg_tables where schemaname = 'other'";
    assert_eq!(database.count(made).await, 0);
}

#[test]
fn a_source_that_fails_is_not_taken_for_the_target() {
    let source = "postgres://ann@127.0.0.1:1/news";
    let workplace = Workplace::new(&[("DATABASE_URL", source)]);
    let to = "postgres://ann@127.0.0.1:2/news";
    let refused = failed(&workplace.run(&["move-database", "--to", to]), 1);
    assert!(refused.contains(":1/news cannot be opened"), "{refused}");
}

#[test]
fn no_error_shows_a_password() {
    let workplace = Workplace::new(&[]);
    succeeded(&workplace.run(&["migrate"]));
    for (to, status) in [
        ("postgres://ann:hunter2@127.0.0.1:1/news", 1),
        ("postgres://ann:hunter2@:x/news", 2),
        ("mysql://ann:hunter2@db/news", 2),
        ("hunter2", 2),
        ("sqlite://nowhere/a.db", 2),
    ] {
        let refused = failed(&workplace.run(&["move-database", "--to", to]), status);
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    failed(&workplace.run(&["move-database"]), 2);
}
