//! A revoked session is refused after the response, however busy the server is.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use reqwest::Method;

use crate::{
    helpers::{Browser, Kind, Server, on_both_databases},
    sessions::freshness::{add_ann, ask, check, log_in},
};

on_both_databases!(a_thousand_revocations_under_load);

pub async fn a_thousand_revocations_under_load(kind: Kind) {
    const WORKERS: usize = 8;
    const ROUNDS: usize = 125;
    let settings = [("SESSIONS_PER_USER", "1000"), ("PASSWORDLESS_LOGIN", "on")];
    let server = Server::start_with(kind, &settings).await;
    add_ann(&server).await;
    let base = server.base.clone();
    let browser = server.browser();
    let lasting = log_in(&browser).await;
    let done = Arc::new(AtomicBool::new(false));
    let load = (0..4).map(|_| {
        let (done, lasting) = (done.clone(), lasting.clone());
        let browser = Browser::new(&base);
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let status = check(&browser, &lasting).await.status;
                assert!(status == 200 || status == 503, "{status}");
            }
        })
    });
    let load: Vec<_> = load.collect();
    let let_in = Arc::new(AtomicUsize::new(0));
    let workers = (0..WORKERS).map(|worker| {
        let (base, lasting, let_in) = (base.clone(), lasting.clone(), let_in.clone());
        tokio::spawn(async move {
            let browser = Browser::new(&base);
            for round in 0..ROUNDS {
                let cookie = log_in(&browser).await;
                let patient = browser.patient();
                let own = patient.get_with("/sessions", &cookie).await.json();
                let sessions = own["sessions"].as_array().unwrap();
                let current = sessions.iter().find(|own| own["current"] == true).unwrap();
                let path = format!("/sessions/{}", current["id"].as_str().unwrap());
                // Some are being cached while they end.
                let readers = (0..round % 4).map(|_| {
                    let (browser, cookie) = (browser.clone(), cookie.clone());
                    tokio::spawn(async move { check(&browser, &cookie).await.status })
                });
                let readers: Vec<_> = readers.collect();
                let answer = match worker % 2 {
                    0 => ask(&patient, Method::DELETE, "/logout", &cookie).await,
                    _ => ask(&patient, Method::DELETE, &path, &lasting).await,
                };
                // One that was answered with 503 may have ended the session, which is then gone.
                assert!(
                    answer.status.is_success() || answer.status == 404,
                    "{answer:?}"
                );
                let count = async || {
                    let status = check(&browser, &cookie).await.status;
                    assert!([200, 401, 503].contains(&status.as_u16()), "{status}");
                    let_in.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                };
                join_all((0..3).map(|_| count())).await;
                for reader in readers {
                    let status = reader.await.unwrap().as_u16();
                    assert!([200, 401, 503].contains(&status), "{status}");
                }
                count().await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for load in load {
        load.await.unwrap();
    }
    assert_eq!(let_in.load(Ordering::Relaxed), 0);
}
