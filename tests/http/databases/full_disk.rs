//! A full disk stops SQLite's writes for as long as it is full, and no longer.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    helpers::{Browser, PASSWORD, Process, Workplace},
    sessions::freshness::{ask, log_in},
};

const ROUNDS: u32 = 10;

/// Without rate limits; logins and logouts are the cheapest writes.
fn workplace() -> Workplace {
    let key = handstamp::auth::generate_secret_key();
    let workplace = Workplace::new(&[
        ("SECRET_KEY", &key),
        ("PASSWORDLESS_LOGIN", "on"),
        ("SESSIONS_PER_USER", "100000"),
        ("SIGNUPS_PER_ADDRESS", "unlimited"),
        ("LOGIN_FAILURES_PER_ACCOUNT", "unlimited"),
        ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
    ]);
    assert!(
        workplace
            .run(&["user", "add", "Ann", "--no-password"])
            .status
            .success()
    );
    workplace
}

/// Logs in until that fails and `/readyz` reports it.
async fn write_until_refused(browser: &Browser) {
    for _ in 0..2_000 {
        let log_in = browser
            .request(reqwest::Method::POST, "/login")
            .header("cookie", "none=1")
            .json(&json!({"username": "Ann"}));
        let answer = browser.send(log_in).await;
        if answer.status == 200 {
            continue;
        }
        assert_eq!(answer.code(), "unavailable");
        let ready = browser.get("/readyz").await;
        if ready.status != 200 {
            assert_eq!(ready.code(), "unavailable");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the disk is full, and /readyz is 200 still");
}

/// Fills and frees the disk ten times in a row under one process.
async fn fill_and_free(process: &Process, fill: impl Fn(), free: impl Fn()) {
    for round in 0..ROUNDS {
        let browser = process.browser();
        let [first, second, third] = [
            log_in(&browser).await,
            log_in(&browser).await,
            log_in(&browser).await,
        ];
        fill();
        write_until_refused(&browser).await;
        let out = ask(&browser, reqwest::Method::DELETE, "/logout", &first).await;
        let checked = ask(&browser, reqwest::Method::GET, "/checklogin", &first).await;
        match out.status.as_u16() {
            200 => assert_eq!(checked.status, 401, "logged out, as the response said"),
            _ => assert_eq!(
                (out.code().as_str(), checked.status.as_u16()),
                ("unavailable", 200)
            ),
        }
        free();
        let name = format!("user{round}");
        let sign_up = json!({
            "username": name,
            "email": format!("{name}@example.com"),
            "password": PASSWORD,
        });
        let signed_up = process.browser().post("/signup", sign_up).await;
        assert_eq!(signed_up.status, 201, "round {round}: {signed_up:?}");
        log_in(&browser).await;
        for (path, cookie, status) in [
            ("/logout", &first, 200),
            ("/logout", &second, 200),
            ("/sessions", &third, 204),
        ] {
            let answer = ask(&browser, reqwest::Method::DELETE, path, cookie).await;
            assert_eq!(answer.status, status, "round {round}: {path} {answer:?}");
        }
        let over = ask(&browser, reqwest::Method::GET, "/checklogin", &second).await;
        assert_eq!(over.reason(), "unknown_session");
        assert_eq!(browser.get("/readyz").await.status, 200, "round {round}");
    }
}

/// An I/O error at every write, which needs no disk of its own.
#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_once_the_disk_takes_them_again() {
    let workplace = workplace();
    let process = workplace.serve_despite_limits();
    fill_and_free(
        &process,
        || process.limit_file_size("0"),
        || process.limit_file_size("unlimited"),
    )
    .await;
}

/// A file system of 6 MB, for as long as the test.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where mounting is not permitted.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.is_ok_and(|done| done.status.success());
        is_mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_once_the_disk_has_room_again() {
    let Some(disk) = SmallDisk::mount() else {
        let why = "skipped: mounting a tmpfs is not permitted here";
        writeln!(std::io::stderr(), "{why}").unwrap();
        return;
    };
    let mut workplace = workplace();
    let url = format!("sqlite://{}/handstamp.db", disk.path().display());
    workplace.set("DATABASE_URL", &url);
    let add = workplace.run(&["user", "add", "Ann", "--no-password"]);
    assert!(add.status.success());
    let process = workplace.serve();
    fill_and_free(&process, || disk.fill(), || disk.free()).await;
}
