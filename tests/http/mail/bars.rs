//! Measures; run by hand: `scripts/test --test http -- --ignored --nocapture mail::bars`.

#![expect(clippy::print_stdout, reason = "what is measured is to be read")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use handstamp::auth::{AccountState, Application};
use serde_json::json;

use super::{outbox::workplace, recovery::forgot};
use crate::helpers::{Database, Kind, MailServer, PASSWORD, Server, find_user};

const UNLIMITED: [(&str, &str); 3] = [
    ("MAILS_PER_ACCOUNT", "unlimited"),
    ("MAILS_PER_ADDRESS", "unlimited"),
    ("SIGNUPS_PER_ADDRESS", "unlimited"),
];

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn timed<F: Future>(work: F) -> (Duration, F::Output) {
    let begun = Instant::now();
    let done = work.await;
    (begun.elapsed(), done)
}

async fn forgot_takes_the_same_time(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    for name in ["known", "disabled", "passwordless"] {
        let account = Application::new(name).email(format!("{name}@example.com"));
        let password = (name != "passwordless").then(|| PASSWORD.to_owned());
        server
            .accounts()
            .add(account.password(password))
            .await
            .unwrap();
    }
    let disabled = find_user(server.accounts(), "disabled").await;
    server
        .accounts()
        .set_state(&disabled, AccountState::Disabled)
        .await
        .unwrap();
    let names = ["known", "unknown", "disabled", "passwordless"];
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let browser = server.browser();
    for round in 0..310 {
        // Another one comes first each time.
        for turn in 0..names.len() {
            let name = names[(round + turn) % names.len()];
            let (took, answer) = timed(forgot(&browser, &format!("{name}@example.com"))).await;
            assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
            if round >= 10 {
                times.entry(name).or_default().push(took);
            }
            // The mail before it is not sent at the same time.
            server.database.count_until("outbox", 0).await;
        }
    }
    let medians: Vec<_> = times
        .into_iter()
        .map(|(name, times)| (name, median(times)))
        .collect();
    let (least, most) = (
        medians.iter().map(|it| it.1).min().unwrap(),
        medians.iter().map(|it| it.1).max().unwrap(),
    );
    let ratio = most.as_secs_f64() / least.as_secs_f64();
    println!("{kind:?}: forgot, 300 each: {medians:?}, largest over smallest {ratio:.3}");
}

async fn a_server_that_hangs_delays_nobody(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    let mut medians = Vec::new();
    for (state, prefix) in [("good", "a"), ("hangs", "b"), ("good", "c"), ("hangs", "d")] {
        if state == "hangs" {
            mail.hang();
        }
        let (mut signups, mut forgots) = (Vec::new(), Vec::new());
        for number in 0..100 {
            let browser = server.browser();
            let name = format!("{prefix}{number}");
            let body = json!({"username": name, "email": format!("{name}@example.com"),
                              "password": PASSWORD});
            let (took, answer) = timed(browser.post("/signup", body)).await;
            assert_eq!(answer.status, 201);
            signups.push(took);
            let (took, answer) = timed(forgot(&browser, &format!("{name}@example.com"))).await;
            assert_eq!(answer.status, 202);
            forgots.push(took);
        }
        medians.push((state, median(signups), median(forgots)));
        mail.go_on();
        let (took, ()) = timed(async {
            while server.database.count("outbox").await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        println!(
            "{kind:?}: {state}: sign-up {:?}, forgot {:?}; the outbox was empty {took:?} after",
            medians[medians.len() - 1].1,
            medians[medians.len() - 1].2
        );
    }
}

async fn a_thousand_mails_by_nodes_that_are_killed(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let mut nodes = [place.serve(), place.serve()].map(Some);
    nodes[0].as_ref().unwrap().browser().sign_up("Ann").await;
    let mut kills = 0;
    for batch in 0..10 {
        for number in 0..100 {
            let node = nodes[number % 2].as_ref().unwrap();
            // One that was just started may still connect.
            let answer = forgot(&node.browser(), "ann@example.com").await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        let victim = batch % 2;
        nodes[victim].take().unwrap().kill();
        kills += 1;
        nodes[victim] = Some(place.serve());
    }
    let begun = Instant::now();
    while database.count("outbox").await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(300));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut ids = BTreeMap::<String, usize>::new();
    for mail in mail.received() {
        *ids.entry(mail.header("message-id").to_owned()).or_default() += 1;
    }
    let duplicates: usize = ids.values().map(|times| times - 1).sum();
    println!(
        "{kind:?}: {} of 1001 mails have arrived, {duplicates} twice, after {kills} kills",
        ids.len()
    );
    assert_eq!(ids.len(), 1_001);
    assert!(duplicates <= kills, "{duplicates}");
}

macro_rules! measures {
    ($($name:ident),+ $(,)?) => {
        mod measured {
            $(
                mod $name {
                    use crate::helpers::Kind;

                    #[tokio::test(flavor = "multi_thread")]
                    #[ignore = "measures"]
                    async fn sqlite() {
                        super::super::$name(Kind::Sqlite).await;
                    }

                    #[tokio::test(flavor = "multi_thread")]
                    #[ignore = "measures"]
                    async fn postgres() {
                        super::super::$name(Kind::Postgres).await;
                    }
                }
            )+
        }
    };
}

measures!(
    forgot_takes_the_same_time,
    a_server_that_hangs_delays_nobody,
    a_thousand_mails_by_nodes_that_are_killed,
);
