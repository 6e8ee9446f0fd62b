//! What was acknowledged survives a power cut.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;

use crate::helpers::{Database, Workplace, client_builder};

const ROUNDS: u64 = 30;
const CLIENTS: usize = 4;

/// What was acknowledged to the clients of all rounds.
#[derive(Default)]
struct Acknowledged {
    signed_up: Vec<String>,
    logged_out: Vec<String>,
    logged_in: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_kills_under_load_lose_nothing_acknowledged() {
    let key = handstamp::auth::generate_secret_key();
    let mut workplace = Workplace::new(&[("SECRET_KEY", &key), ("PASSWORDLESS_LOGIN", "on")]);
    workplace.set("PASSWORD_HASHES_AT_ONCE", "2");
    workplace.set("SESSIONS_PER_USER", "100000");
    workplace.set("SIGNUPS_PER_ADDRESS", "unlimited");
    assert!(
        workplace
            .run(&["user", "add", "Ann", "--no-password"])
            .status
            .success()
    );
    let told = Arc::new(Mutex::new(Acknowledged::default()));

    for round in 0..ROUNDS {
        let process = workplace.serve();
        let clients = (0..CLIENTS).map(|client| {
            let (base, told) = (process.base.clone(), told.clone());
            tokio::spawn(async move { work(&base, &format!("u{round}-{client}"), &told).await })
        });
        let clients: Vec<_> = clients.collect();
        // However slow the machine, there is something to lose.
        while told.lock().unwrap().logged_out.len() < (round as usize + 1) * 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(50 + round * 7)).await;
        process.kill();
        for client in clients {
            client.abort();
            if let Err(error) = client.await {
                assert!(error.is_cancelled(), "{error}");
            }
        }
    }

    let process = workplace.serve();
    let browser = process.browser();
    let told = std::mem::take(&mut *told.lock().unwrap());
    let Acknowledged {
        signed_up,
        logged_out,
        logged_in,
    } = told;
    assert!(
        signed_up.len() > 20 && logged_out.len() >= 120,
        "{} {}",
        signed_up.len(),
        logged_out.len()
    );
    for name in signed_up {
        let output = workplace.run(&["user", "show", &name]);
        assert!(output.status.success(), "{name} was told 201");
    }
    for cookie in logged_out {
        assert_eq!(
            browser.check_with(&cookie).await.reason(),
            "unknown_session"
        );
    }
    for cookie in logged_in {
        assert_eq!(browser.check_with(&cookie).await.status, 200);
    }
    let database = Database::at(&workplace.sqlite_url());
    assert_eq!(database.integrity_check().await, "ok");
}

/// Signs up, then logs in and out until the server is gone; every third login stays.
async fn work(base: &str, name: &str, told: &Mutex<Acknowledged>) {
    for number in 0_u64.. {
        let client = client_builder().build().unwrap();
        if number % 20 == 0 {
            let name = format!("{name}-{number}");
            let body = json!({
                "username": name,
                "email": format!("{name}@example.com"),
                "password": crate::helpers::PASSWORD,
            });
            let sent = client
                .post(format!("{base}/signup"))
                .json(&body)
                .send()
                .await;
            match sent {
                Ok(answer) if answer.status() == 201 => told.lock().unwrap().signed_up.push(name),
                // On a busy machine; nothing was acknowledged.
                Ok(answer) if answer.status() == 503 => {}
                Ok(answer) => panic!("{}", answer.status()),
                Err(_) => return,
            }
        }
        let log_in = client
            .post(format!("{base}/login"))
            .json(&json!({"username": "Ann"}));
        let Ok(answer) = log_in.send().await else {
            return;
        };
        if answer.status() == 503 {
            continue;
        }
        assert_eq!(answer.status(), 200);
        let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let cookie = set.split(';').next().unwrap().to_owned();
        if number % 3 == 0 {
            told.lock().unwrap().logged_in.push(cookie);
            continue;
        }
        let log_out = client
            .delete(format!("{base}/logout"))
            .header("cookie", &cookie);
        match log_out.send().await {
            Ok(answer) if answer.status() == 503 => continue,
            Ok(answer) => assert_eq!(answer.status(), 200),
            Err(_) => return,
        }
        told.lock().unwrap().logged_out.push(cookie);
    }
}
