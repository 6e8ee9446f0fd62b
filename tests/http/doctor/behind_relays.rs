//! `handstamp doctor URL` where a proxy gets in its way: it proves nothing then, and blames nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use reqwest::Method;

use super::{
    examined::Examined,
    relay::{self, Asked, Turn},
    sites::production,
};
use crate::helpers::{Database, Kind, Process, Workplace};

/// What a relay does not serve by https fails in any case.
const PLAIN: &str = "https";

/// A server in production, with its settings.
struct Site {
    database: Database,
    workplace: Workplace,
    node: Process,
}

impl Site {
    async fn start() -> Self {
        let database = Database::new(Kind::Sqlite).await;
        let key = handstamp::auth::generate_secret_key();
        let workplace = production(&database, &key);
        let node = workplace.serve();
        Self {
            database,
            workplace,
            node,
        }
    }

    async fn examine(&self, turn: impl Fn(Asked) -> Turn + Send + Sync + 'static) -> Examined {
        let url = relay::start(&self.node.base, turn).await;
        Examined::of(&self.workplace, &url)
    }

    async fn assert_fails(
        &self,
        turn: impl Fn(Asked) -> Turn + Send + Sync + 'static,
        names: &[&str],
        case: &str,
    ) -> Examined {
        let examined = self.examine(turn).await;
        let names: Vec<_> = [PLAIN].iter().chain(names).copied().collect();
        examined.assert_fails(&names, case);
        assert_eq!(self.database.count("users").await, 0, "{case}");
        examined
    }
}

/// Nor is the `Age: 0` that it sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_alone_is_no_mistake() {
    let site = Site::start().await;
    let examined = site.assert_fails(|_| Turn::PassOn, &[], "passes on").await;
    assert!(
        examined.with_status("pass").contains("log_out"),
        "{examined:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_the_log_out_proves_none() {
    let site = Site::start().await;
    for status in [502, 403] {
        let is_out = AtomicBool::new(false);
        let turn = move |asked: Asked| {
            if asked.has_session && asked.path == "/logout" {
                is_out.store(true, Ordering::SeqCst);
            }
            let is_check = asked.has_session && asked.path == "/checklogin";
            if is_check && is_out.load(Ordering::SeqCst) {
                return Turn::Page(status);
            }
            Turn::PassOn
        };
        let case = status.to_string();
        let examined = site.assert_fails(turn, &["log_out"], &case).await;
        assert!(examined.detail("log_out").contains(&case), "{examined:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_log_in_is_a_failure() {
    let site = Site::start().await;
    let is_login = |asked: &Asked| asked.method == Method::POST && asked.path == "/login";
    for turn in [Turn::Page(405), Turn::Page(500), Turn::StripCookies] {
        let turns = move |asked: Asked| if is_login(&asked) { turn } else { Turn::PassOn };
        let case = format!("{turn:?}");
        site.assert_fails(turns, &["log_in"], &case).await;
    }
    // Of this nobody knows what it means.
    let turns = move |asked: Asked| {
        if is_login(&asked) {
            Turn::Page(429)
        } else {
            Turn::PassOn
        }
    };
    let examined = site.assert_fails(turns, &[], "too many").await;
    assert!(examined.with_status("skipped").contains("log_in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_now_and_then_blames_no_key() {
    let site = Site::start().await;
    // A limit of requests; and every other node of an older version, which knows no such route.
    for (status, every) in [(429, 3), (503, 3), (404, 2)] {
        let count = AtomicUsize::new(0);
        let turn = move |asked: Asked| {
            let is_turn = || count.fetch_add(1, Ordering::SeqCst).is_multiple_of(every);
            if asked.path == "/healthz/seen" && is_turn() {
                return Turn::Page(status);
            }
            Turn::PassOn
        };
        let case = status.to_string();
        let examined = site.assert_fails(turn, &[], &case).await;
        assert!(
            examined.with_status("pass").contains("same_key"),
            "{examined:#?}"
        );
    }
}

/// Neither the password of an account nor a verdict is had by who only claims to know the key.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_prove_the_key_gets_no_login() {
    let site = Site::start().await;
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = logins.clone();
    let turn = move |asked: Asked| match asked.path {
        "/login" if asked.has_session || asked.method == Method::POST => {
            counted.fetch_add(1, Ordering::SeqCst);
            Turn::PassOn
        }
        "/healthz/seen" => Turn::Json(
            r#"{"node":"1","key_id":"0123456789abcdef","client":"127.0.0.1","peer":"127.0.0.1",
                "is_peer_trusted":true,"is_client_trusted":true,"forwarded_for":["127.0.0.1"],
                "forwarded_proto":null,"host":null,"origin":null,"sec_fetch_site":null,
                "padding":""}"#,
        ),
        _ => Turn::PassOn,
    };
    let examined = site.examine(turn).await;
    let skipped = examined.with_status("skipped");
    for name in ["log_in", "log_out", "same_key", "client_address"] {
        assert!(skipped.contains(name), "{name}: {examined:#?}");
    }
    // One, without a body, is asked for to see whether its error is compressed.
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    assert_eq!(site.database.count("audit_events").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_signs_with_another_key_is_named() {
    let mut site = Site::start().await;
    let [old, new] = [(); 2].map(|()| handstamp::auth::generate_secret_key());
    site.workplace.set("SECRET_KEY", &new);
    site.workplace.set("SECRET_KEY_FALLBACKS", &old);
    site.node = site.workplace.serve();
    site.workplace.set("SECRET_KEY", &old);
    site.workplace.set("SECRET_KEY_FALLBACKS", "");
    let examined = site
        .assert_fails(|_| Turn::PassOn, &["same_key"], "a fallback")
        .await;
    assert!(
        examined.detail("same_key").contains("SECRET_KEY here"),
        "{examined:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_is_not_examined_unasked() {
    let site = Site::start().await;
    for there in ["https://another.invalid/", "https://localhost:1/"] {
        let turn = move |_: Asked| Turn::To(there);
        let examined = site.assert_fails(turn, &["reachable"], there).await;
        assert!(
            examined.detail("https").contains("another host"),
            "{examined:#?}"
        );
        assert!(
            examined.detail("reachable").contains("leads to"),
            "{examined:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_leaves_no_account() {
    let site = Site::start().await;
    for signal in ["INT", "TERM"] {
        let (logging_in, mut waits) = tokio::sync::watch::channel(false);
        let turn = move |asked: Asked| {
            if asked.path == "/login" {
                logging_in.send_replace(true);
                return Turn::Hang;
            }
            Turn::PassOn
        };
        let url = relay::start(&site.node.base, turn).await;
        let doctor = site.workplace.start_command(&["doctor", &url, "--json"]);
        waits.wait_for(|is_asked| *is_asked).await.unwrap();
        assert_eq!(site.database.count("users").await, 1);
        let id = doctor.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &id])
            .status();
        assert!(sent.unwrap().success());
        let examined = Examined::read(&doctor.wait_with_output().unwrap());
        examined.assert_fails(&[PLAIN, "interrupted"], signal);
        assert_eq!(site.database.count("users").await, 0, "{signal}");
    }
}
