//! Writes to a SQLite file that was deleted or replaced are refused, not acknowledged and lost.

use std::fs;

use crate::helpers::{Browser, Kind, Server};

/// A server with Ann logged in, and the path of its file.
async fn start() -> (Server, Browser, String) {
    let server = Server::start(Kind::Sqlite).await;
    let browser = server.browser();
    browser.sign_up("Ann").await;
    assert_eq!(browser.get("/readyz").await.status, 200);
    let file = server.database.url.replace("sqlite://", "");
    (server, browser, file)
}

async fn assert_writes_are_refused(browser: &Browser, how: &str) {
    assert_eq!(browser.log_in("Ann").await.code(), "unavailable", "{how}");
    assert_eq!(browser.log_out().await.code(), "unavailable", "{how}");
    assert_eq!(browser.delete("/sessions").await.code(), "unavailable");
    assert_eq!(browser.get("/readyz").await.code(), "unavailable", "{how}");
    assert_eq!(browser.get("/healthz").await.status, 200, "{how}");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_a_file_that_was_deleted_are_refused() {
    let (_server, browser, file) = start().await;
    for name in [&file, &format!("{file}-wal"), &format!("{file}-shm")] {
        fs::remove_file(name).unwrap();
    }
    assert_writes_are_refused(&browser, "deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_a_file_whose_log_was_deleted_are_refused() {
    let (_server, browser, file) = start().await;
    fs::remove_file(format!("{file}-wal")).unwrap();
    assert_writes_are_refused(&browser, "without its log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_to_a_file_that_was_replaced_are_refused() {
    let (_server, browser, file) = start().await;
    let aside = format!("{file}.aside");
    fs::rename(&file, &aside).unwrap();
    assert_writes_are_refused(&browser, "moved").await;
    fs::copy(&aside, &file).unwrap();
    assert_writes_are_refused(&browser, "replaced").await;
    fs::rename(&aside, &file).unwrap();
    assert_eq!(browser.log_in("Ann").await.status, 200, "it is back");
    assert_eq!(browser.get("/readyz").await.status, 200);
}
