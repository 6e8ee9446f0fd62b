//! A database that is not available logs nobody out, and nobody in.

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use handstamp::{Db, auth::keep_purging, db::Tx};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, UnixStream},
    runtime::Runtime,
    sync::watch,
};

use crate::helpers::{Browser, Database, Kind, Server, on_both_databases};

on_both_databases!(purging_goes_on_after_errors, a_broken_table_is_no_logout);

const TWO_MINUTES: Duration = Duration::from_secs(120);

async fn purging_goes_on_after_errors(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    server.clock.advance(Duration::from_secs(20 * 24 * 60 * 60));
    server
        .database
        .execute("alter table sessions rename to away")
        .await;
    assert!(server.auth.purge_expired_sessions().await.is_err());
    let purging = tokio::spawn(keep_purging(server.auth.clone(), Duration::from_millis(20)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.database.count("away").await, 1);
    server
        .database
        .execute("alter table away rename to sessions")
        .await;
    while server.database.count("sessions").await > 0 {
        assert!(!purging.is_finished());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    purging.abort();
}

async fn a_broken_table_is_no_logout(kind: Kind) {
    let server = Server::start(kind).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    server
        .database
        .execute("alter table sessions rename to away")
        .await;
    for path in ["/checklogin", "/session", "/sessions", "/login"] {
        let answer = browser.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (503, "unavailable"),
            "{path}"
        );
        assert_eq!(answer.header("set-cookie"), None);
        assert!(
            !answer.text.contains("sessions"),
            "no SQL in {}",
            answer.text
        );
    }
    assert_eq!(
        browser.log_out().await.status,
        503,
        "not acknowledged when it is not done"
    );
    assert_eq!(browser.log_in("Ann").await.status, 503);
    server
        .database
        .execute("alter table away rename to sessions")
        .await;
    assert_eq!(browser.check().await.status, 200);
}

/// Readers continue while another process holds SQLite's write lock; writers get 503.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_sqlite_file_keeps_everybody_in() {
    let server = Server::start(Kind::Sqlite).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let lock = server.database.lock_sqlite().await;
    assert_eq!(browser.check().await.status, 200);
    assert_eq!(browser.log_in("Ann").await.code(), "unavailable");
    // A use that cannot be recorded is a use all the same.
    server.clock.advance(TWO_MINUTES);
    assert_eq!(browser.check().await.status, 200);
    drop(lock);
    assert_eq!(browser.log_in("Ann").await.status, 200);
}

/// A proxy between the server and PostgreSQL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Up,
    /// Connections stay open and nothing gets through.
    Silent,
    /// The same, and for good on the present connections.
    Lost,
    /// Connections are closed.
    Cut,
}

/// A server on a PostgreSQL behind a line, which it controls; the database itself, too.
pub async fn start_behind_a_line(
    settings: &[(&str, &str)],
) -> (Server, watch::Sender<Line>, Database) {
    let direct = Database::new(Kind::Postgres).await;
    let (line, watched) = watch::channel(Line::Up);
    let url = proxy(&direct.url, watched).await;
    let server = Server::start_on(Database::at(&url), settings).await;
    (server, line, direct)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_or_lost_postgres_is_no_logout() {
    let (server, line, _direct) = start_behind_a_line(&[]).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;

    for broken in [Line::Silent, Line::Cut] {
        line.send_replace(broken);
        // Cached sessions are trusted for a moment more.
        let answer = browser.check_until(503).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (503, "unavailable")
        );
        assert_eq!(browser.get("/readyz").await.status, 503);
        assert_eq!(browser.get("/healthz").await.status, 200);
        line.send_replace(Line::Up);
        // The pool discovers its dead connections one by one.
        let patient = browser.patient();
        assert_eq!(patient.check().await.status, 200);
        assert_eq!(patient.get("/readyz").await.status, 200);
    }
}

/// Turns the cache off.
const NO_CACHE: &[(&str, &str)] = &[("SESSION_CACHE_ENTRIES", "0")];
/// Locks the table, so that readers of sessions block.
async fn lock_sessions(database: &Database) -> Tx {
    let db = Db::connect(&database.url.parse().unwrap()).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    sqlx::query("lock table sessions")
        .execute(tx.postgres().unwrap())
        .await
        .unwrap();
    tx
}

/// Sends so many requests that every permit for queries is taken by a blocked one, and others
/// wait for those.
async fn ask_in_vain(browser: &Browser, database: &Database) {
    let held_back = "pg_stat_activity where datname = current_database()
         and wait_event_type = 'Lock' and query like '%from sessions%'";
    let mut tries = 0;
    while database.count(held_back).await < 4 {
        // They wait for two seconds at most: less than it may take to open the connections.
        if tries % 100 == 0 {
            for _ in 0..100 {
                let browser = browser.clone();
                tokio::spawn(async move { browser.check().await });
            }
        }
        tries += 1;
        assert!(tries < 1_500, "fewer than four are held back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// As after a failover that closes no connection: queries never return.
#[tokio::test(flavor = "multi_thread")]
async fn queries_that_never_return_are_abandoned() {
    let (server, line, direct) = start_behind_a_line(NO_CACHE).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    let lock = lock_sessions(&direct).await;
    ask_in_vain(&browser, &direct).await;
    line.send_replace(Line::Lost);
    tokio::time::sleep(Duration::from_millis(100)).await;
    line.send_replace(Line::Up);
    drop(lock);
    // What never comes is not waited for.
    assert_eq!(browser.patient().check().await.status, 200);
}

/// A thread is needed, as the test is about a runtime that ends.
#[test]
fn a_process_ends_while_sessions_wait_to_be_read() {
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(async {
            let server = Server::start_with(Kind::Postgres, NO_CACHE).await;
            let browser = server.browser();
            browser.sign_up("Ann").await;
            let lock = lock_sessions(&server.database).await;
            tokio::spawn(async move {
                let _lock = lock;
                std::future::pending::<()>().await;
            });
            ask_in_vain(&browser, &server.database).await;
            server
        });
        drop(runtime);
        drop(server);
        ended.send(()).unwrap();
    });
    let ended = end.recv_timeout(Duration::from_secs(30));
    assert_eq!(ended, Ok(()), "still there");
}

/// A TCP port in front of the server's socket; its URL.
async fn proxy(url: &str, line: watch::Receiver<Line>) -> String {
    let (address, folder) = url.split_once("?host=").unwrap();
    let database = address.rsplit('/').next().unwrap().to_owned();
    let socket = Arc::new(PathBuf::from(folder).join(".s.PGSQL.5432"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (socket, mut line) = (socket.clone(), line.clone());
            tokio::spawn(async move {
                let mut server = UnixStream::connect(&*socket).await.unwrap();
                loop {
                    let now = *line.borrow_and_update();
                    match now {
                        Line::Cut => return,
                        Line::Lost => std::future::pending().await,
                        Line::Silent => line.changed().await.unwrap_or(()),
                        Line::Up => tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => return,
                            _ = line.changed() => {}
                        },
                    }
                }
            });
        }
    });
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}
