//! Several nodes, and several versions, on one database.

use std::thread;

use handstamp::{Db, db::MigrateError};

use crate::helpers::{Database, Kind, Server, Workplace, on_both_databases};

on_both_databases!(
    nodes_that_start_together_migrate_once,
    an_older_version_runs_on_the_tables_of_a_newer_one,
    a_newer_version_can_break_with_older_ones,
);

async fn nodes_that_start_together_migrate_once(kind: Kind) {
    let database = Database::new(kind).await;
    let key = handstamp::auth::generate_secret_key();
    let workplace = Workplace::new(&[("DATABASE_URL", &database.url), ("SECRET_KEY", &key)]);
    let nodes = thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| workplace.serve())).collect();
        let started = starting.into_iter().map(|node| node.join().unwrap());
        started.collect::<Vec<_>>()
    });
    let mut browser = nodes[0].browser();
    browser.sign_up("Ann").await;
    for node in &nodes {
        assert_eq!(node.browser().get("/readyz").await.status, 200);
        browser = node.browser();
        assert_eq!(browser.log_in("Ann").await.status, 200);
    }
    let migrations = database.count("_handstamp_migrations").await;
    let db = Db::connect(&database.url.parse().unwrap()).await.unwrap();
    db.migrate().await.unwrap();
    assert_eq!(database.count("_handstamp_migrations").await, migrations);
}

/// Records a migration as a newer version would.
async fn record(server: &Server, version: i64, description: &str) {
    let sql = format!(
        "insert into _handstamp_migrations (version, description, checksum)
         values ({version}, '{description}', '')"
    );
    server.database.execute(&sql).await;
}

async fn migrate(server: &Server) -> Result<(), MigrateError> {
    let url = server.database.url.parse().unwrap();
    Db::connect(&url).await.unwrap().migrate().await
}

async fn an_older_version_runs_on_the_tables_of_a_newer_one(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    record(&server, 9000, "more columns").await;
    server
        .database
        .execute("alter table users add column color text")
        .await;
    assert!(migrate(&server).await.is_ok());
    let server = server.restart_with(&[]).await;
    assert_eq!(server.browser().log_in("Ann").await.status, 200);
}

async fn a_newer_version_can_break_with_older_ones(kind: Kind) {
    let server = Server::start(kind).await;
    record(&server, 9001, "breaking other columns").await;
    let refused = migrate(&server).await;
    assert!(
        matches!(refused, Err(MigrateError::Unknown(9001))),
        "{refused:?}"
    );

    // One between ours is no newer version, but another program's.
    let server = Server::start(kind).await;
    record(&server, 2, "more columns").await;
    let refused = migrate(&server).await;
    assert!(
        matches!(refused, Err(MigrateError::Unknown(2))),
        "{refused:?}"
    );
}
