//! What another process writes to a SQLite file may concern every session that is followed.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use handstamp::auth::generate_secret_key;
use tokio::time::sleep;

use super::ends::log_in;
use crate::helpers::{Database, EventStream, Kind, PASSWORD, Server, Workplace, find_user};

/// The beginning of the query that reads followed sessions, as sqlx logs it.
const READ: &str = "summary=\"select s.id, s.public_id,";

#[tokio::test]
async fn they_are_read_together_and_not_at_every_write() {
    let database = Database::new(Kind::Sqlite).await;
    let key = generate_secret_key();
    let workplace = Workplace::new(&[
        ("DATABASE_URL", &database.url),
        ("SECRET_KEY", &key),
        ("RUST_LOG", "info,sqlx::query=debug"),
    ]);
    let process = workplace.serve();
    let browser = process.browser();
    browser.sign_up("Ann").await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let cookie = log_in(&browser, PASSWORD).await;
        let open = (0..8).map(|_| EventStream::open_with(&browser, &cookie));
        streams.extend(join_all(open).await);
    }

    let reads = || process.logs().matches(READ).count();
    let (before, start) = (reads(), Instant::now());
    assert!(before > 0, "{}", process.logs());
    database.execute("create table noise (n integer)").await;
    while start.elapsed() < Duration::from_secs(4) {
        database.execute("insert into noise values (1)").await;
        sleep(Duration::from_millis(20)).await;
    }
    let reads = reads() - before;
    // Twice as many as there may be, since it is another clock that counts.
    let allowed = usize::try_from(start.elapsed().as_millis()).unwrap() / 350;
    assert!((1..=allowed).contains(&reads), "{reads}, not {allowed}");

    // They see what concerns them, and only that.
    let other = Server::start_on(Database::at(&database.url), &[]).await;
    let ann = find_user(other.accounts(), "Ann").await;
    other.accounts().change_email(&ann, None).await.unwrap();
    for stream in &mut streams {
        stream.changed().await;
    }
    other.accounts().sign_out(&ann).await.unwrap();
    for stream in streams {
        assert_eq!(stream.reason().await, "revoked");
    }
}
