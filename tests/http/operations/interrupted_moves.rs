//! Moves that were killed half-way.

use super::moves::{begun, workplace_of};
use crate::helpers::{Database, Kind, Workplace, failed, on_both_databases, succeeded};

on_both_databases!(
    a_killed_move_is_continued,
    one_whose_source_was_changed_starts_over,
    a_target_that_somebody_else_wrote_to_is_told,
);

const USERS: u32 = 20_000;

/// A move that was killed after some of its rows.
async fn killed(kind: Kind) -> (Database, Workplace, Database) {
    let (database, workplace, target, mut moving) = begun(kind, USERS).await;
    moving.kill().unwrap();
    moving.wait().unwrap();
    let copied = target.count("users").await;
    assert!(
        (1..USERS.into()).contains(&copied),
        "{copied} rows were copied"
    );
    target.close().await;
    (database, workplace, target)
}

async fn a_killed_move_is_continued(kind: Kind) {
    let (_database, workplace, target) = killed(kind).await;
    let there = workplace_of(&target);
    for command in [&["serve"][..], &["user", "list"], &["migrate"]] {
        let refused = failed(&there.run(command), 1);
        assert!(refused.contains("move that is not finished"), "{refused}");
    }
    let copied = target.count("users").await;
    assert!(copied > 0);
    target.close().await;
    let output = workplace.run(&["move-database", "--to", &target.url]);
    let said = succeeded(&output);
    assert!(said.contains("continuing a move"), "{said}");
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(!warned.contains("starting over"), "{warned}");
    assert_eq!(target.count("users").await, i64::from(USERS));
    target.close().await;
    succeeded(&there.run(&["user", "show", "User1"]));
    // It is finished now: a target with rows.
    let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
    assert!(refused.contains("holds rows"), "{refused}");
}

async fn one_whose_source_was_changed_starts_over(kind: Kind) {
    let (database, workplace, target) = killed(kind).await;
    // A row that was copied, and one that was not there.
    let change = "update users set email = 'new@example.com'
                  where id = (select id from users order by id limit 1)";
    database.execute(change).await;
    database.close().await;
    succeeded(&workplace.run(&["user", "add", "Late", "--no-password"]));
    let output = workplace.run(&["move-database", "--to", &target.url]);
    succeeded(&output);
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("starting over"), "{warned}");
    assert_eq!(target.count("users").await, i64::from(USERS) + 1);
    assert_eq!(
        target.count("users where email = 'new@example.com'").await,
        1
    );
}

async fn a_target_that_somebody_else_wrote_to_is_told(kind: Kind) {
    let (_database, workplace, target) = killed(kind).await;
    target
        .execute("update users set username = 'Mallory' where id = (select id from users limit 1)")
        .await;
    target.close().await;
    for _ in 0..2 {
        let refused = failed(&workplace.run(&["move-database", "--to", &target.url]), 1);
        assert!(
            refused.contains("users differs after the copy"),
            "{refused}"
        );
    }
    assert_eq!(target.count("users where username = 'Mallory'").await, 1);
}
