//! One address cannot keep others from logging in.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::helpers::{Answer, Browser, Kind, PASSWORD, Server, on_both_databases};

on_both_databases!(
    right_logins_from_one_address_keep_nobody_out,
    sign_ups_with_slow_passwords_keep_nobody_out,
    a_taken_name_is_reported_before_any_password_work,
);

const SETTINGS: [(&str, &str); 2] = [
    ("TRUSTED_PROXIES", "127.0.0.1"),
    ("PASSWORD_HASHES_AT_ONCE", "1"),
];
const ATTACKER: &str = "203.0.113.1";
const OWNER: &str = "198.51.100.1";

/// A request as a proxy forwards it from `address`.
async fn post_from(browser: &Browser, address: &str, path: &str, body: &Value) -> Answer {
    let request = browser.request(Method::POST, path).json(body);
    browser
        .send(request.header("x-forwarded-for", address))
        .await
}

/// The owner's wait is measured by how many logins of others come before theirs, which
/// does not depend on how fast the machine is.
async fn right_logins_from_one_address_keep_nobody_out(kind: Kind) {
    let server = Server::start_with(kind, &SETTINGS).await;
    server.browser().sign_up("Ann").await;
    server.browser().sign_up("Mallory").await;
    let (logged_in, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mallory = server.browser();
    let storm = join_all((0..500).map(async |_| {
        let body = json!({"username": "Mallory", "password": PASSWORD});
        while !is_over.load(SeqCst) {
            let answer = post_from(&mallory, ATTACKER, "/login", &body).await;
            if answer.status == 200 {
                logged_in.fetch_add(1, SeqCst);
            } else {
                assert_eq!(answer.status, 503, "{answer:?}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }));
    let owner = async {
        while logged_in.load(SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let body = json!({"username": "Ann", "password": PASSWORD});
        let before = logged_in.load(SeqCst);
        for _ in 0..10 {
            while post_from(&server.browser(), OWNER, "/login", &body)
                .await
                .status
                != 200
            {}
        }
        is_over.store(true, SeqCst);
        logged_in.load(SeqCst) - before
    };
    let (_, others) = join(storm, owner).await;
    assert!(
        others < 100,
        "{others} logins of others for 10 of the owner"
    );
}

/// A password whose characters all stand for others takes a second to estimate.
async fn sign_ups_with_slow_passwords_keep_nobody_out(kind: Kind) {
    let unlimited = [("SIGNUPS_PER_ADDRESS", "unlimited")];
    let server = Server::start_with(kind, &[&SETTINGS[..], &unlimited].concat()).await;
    server.browser().sign_up("Ann").await;
    let password = "4@8({[<369!1|0$57+%2".repeat(12);
    let (estimated, has_ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let storm = join_all((0..16).map(async |_| {
        let browser = server.browser();
        let body = json!({"username": "Mallory", "email": "none", "password": password});
        while !has_ended.load(SeqCst) {
            let answer = post_from(&browser, ATTACKER, "/signup", &body).await;
            match &*answer.code() {
                "invalid" => {
                    estimated.fetch_add(1, SeqCst);
                }
                code => assert!(["busy", "timeout"].contains(&code), "{answer:?}"),
            }
        }
    }));
    // As above: the owner waits for one estimate each time, not for all that wait.
    let owner = async {
        while estimated.load(SeqCst) < 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let body = json!({"username": "Ann", "password": PASSWORD});
        for _ in 0..3 {
            loop {
                let answer = post_from(&server.browser(), OWNER, "/login", &body).await;
                if answer.status == 200 {
                    break;
                }
                assert!(["busy", "timeout"].contains(&&*answer.code()), "{answer:?}");
                assert!(estimated.load(SeqCst) < 16, "kept out");
            }
        }
        has_ended.store(true, SeqCst);
        estimated.load(SeqCst)
    };
    let (_, others) = join(storm, owner).await;
    assert!(others < 16, "{others} estimates for 3 logins");
}

async fn a_taken_name_is_reported_before_any_password_work(kind: Kind) {
    let server = Server::start(kind).await;
    server.browser().sign_up("Ann").await;
    let sign_up = async |email: &str| {
        let body = json!({"username": "ann", "email": email, "password": "password"});
        server.browser().post("/signup", body).await
    };
    assert_eq!(sign_up("ben@example.com").await.code(), "username_taken");
    // Unless something else is wrong: then every error is reported at once.
    let errors = sign_up("none").await.json()["errors"].clone();
    let fields: Vec<_> = errors.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["email", "password"]);
}
