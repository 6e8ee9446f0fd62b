//! Measures, which need a quiet machine; run by hand, one after another:
//! `scripts/test --test http -- --ignored --nocapture --test-threads 1 mail::bars`.

#![expect(clippy::print_stdout, reason = "what is measured is to be read")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use handstamp::auth::{AccountState, Application};
use serde_json::json;

use super::{
    outbox::{UNLIMITED, is_empty, workplace},
    recovery::{NEW, forgot, reset},
};
use crate::helpers::{
    Answer, Database, EventStream, Kind, MailServer, PASSWORD, Server, find_user,
};

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
    let mut answers = BTreeSet::new();
    let browser = server.browser();
    // Each order as often as any other, so that each comes after each.
    for order in orders(&names).iter().cycle().take(50 * 24) {
        for name in order {
            let (took, answer) = timed(forgot(&browser, &format!("{name}@example.com"))).await;
            answers.insert(comparable(&answer));
            times.entry(name).or_default().push(took);
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    let medians: Vec<_> = times
        .into_iter()
        .map(|(name, times)| (name, times.len(), median(times)))
        .collect();
    let (least, most) = (
        medians.iter().map(|it| it.2).min().unwrap(),
        medians.iter().map(|it| it.2).max().unwrap(),
    );
    let ratio = most.as_secs_f64() / least.as_secs_f64();
    println!("{kind:?}: forgot: {medians:?}, largest over smallest {ratio:.3}");
    assert!(ratio <= 1.05, "{ratio}");
}

/// Every order of four.
fn orders(names: &[&'static str; 4]) -> Vec<[&'static str; 4]> {
    let mut orders = Vec::new();
    for first in 0..4 {
        for second in (0..4).filter(|it| *it != first) {
            for third in (0..4).filter(|it| ![first, second].contains(it)) {
                let last = 6 - first - second - third;
                orders.push([first, second, third, last].map(|it: usize| names[it]));
            }
        }
    }
    orders
}

/// All of a response but its date and id.
fn comparable(answer: &Answer) -> String {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    headers.sort();
    format!("{} {headers:?} {:?}", answer.status, answer.text)
}

async fn a_server_that_hangs_delays_nobody(kind: Kind) {
    let mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    let mut times: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    // In turn, as a machine that is slow for a while is slow for both.
    for round in 0..12 {
        let state = if round % 2 == 0 { "good" } else { "hangs" };
        if state == "hangs" {
            mail.hang();
        }
        for number in 0..10 {
            let browser = server.browser();
            let name = format!("user{round}.{number}");
            let body = json!({"username": name, "email": format!("{name}@example.com"),
                              "password": PASSWORD});
            let (took, answer) = timed(browser.post("/signup", body)).await;
            assert_eq!(answer.status, 201);
            times.entry(("sign-up", state)).or_default().push(took);
            rests(state, &server).await;
            let (took, answer) = timed(forgot(&browser, &format!("{name}@example.com"))).await;
            assert_eq!(answer.status, 202);
            times.entry(("forgot", state)).or_default().push(took);
            rests(state, &server).await;
        }
        mail.go_on();
        let (took, ()) = timed(is_empty(&server.database)).await;
        if state == "hangs" {
            slowest = slowest.max(took);
        }
    }
    println!("{kind:?}: after a hang all was sent within {slowest:?}");
    assert!(slowest <= Duration::from_secs(30), "{slowest:?}");
    let ratios = ["sign-up", "forgot"].map(|what| {
        let [good, hangs] = ["good", "hangs"].map(|state| median(times[&(what, state)].clone()));
        let ratio = hangs.as_secs_f64() / good.as_secs_f64();
        println!("{kind:?}: {what}: {good:?} with a good server, {hangs:?} ({ratio:.2}) without");
        ratio
    });
    assert!(ratios.iter().all(|ratio| *ratio <= 1.1), "{ratios:?}");
}

/// Waits until nothing is being sent, as nothing is where the server hangs: a process that is busy
/// anyway is quicker on a machine that is.
async fn rests(state: &str, server: &Server) {
    if state == "good" {
        is_empty(&server.database).await;
    }
}

async fn a_server_that_was_down_for_a_minute_gets_all(kind: Kind) {
    let mut mail = MailServer::start();
    let server = Server::start_with_mail(kind, &mail, &UNLIMITED).await;
    server.browser().sign_up("Ann").await;
    mail.stop();
    for _ in 0..100 {
        let answer = forgot(&server.browser(), "ann@example.com").await;
        assert_eq!(answer.status, 202);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    mail.start_again();
    let (took, ()) = timed(is_empty(&server.database)).await;
    println!("{kind:?}: down for a minute: 100 mails were sent {took:?} after its return");
    assert!(took <= Duration::from_secs(30), "{took:?}");
    assert!(mail.received_by("ann@example.com").len() >= 100);
}

/// How long after a reset sessions are refused and streams end, on its node and on another.
async fn a_reset_ends_sessions_elsewhere(kind: Kind) {
    let mail = MailServer::start();
    let limits = [
        &UNLIMITED[..],
        &[("LOGIN_FAILURES_PER_ADDRESS", "unlimited")],
    ]
    .concat();
    let server = Server::start_with_mail(kind, &mail, &limits).await;
    let node = Server::start_on(Database::at(&server.database.url), &[]).await;
    server.browser().sign_up("Ann").await;
    let mut times: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
    let mut password = PASSWORD;
    for round in 1..=30 {
        let browser = server.browser();
        let logged_in = browser.log_in_with("Ann", password).await;
        assert_eq!(logged_in.status, 200, "{logged_in:?}");
        password = if password == NEW { PASSWORD } else { NEW };
        let cookie = format!("session={}", browser.session().unwrap());
        let streams = [
            EventStream::open_with(&server.browser(), &cookie).await,
            EventStream::open_with(&node.browser(), &cookie).await,
        ];
        let browsers = [server.browser(), node.browser()];
        for browser in &browsers {
            assert_eq!(browser.check_with(&cookie).await.status, 200);
        }
        let before = mail.received().len();
        forgot(&server.browser(), "ann@example.com").await;
        while mail.received().len() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let token = mail.received().pop().unwrap().token();
        assert_eq!(reset(&server.browser(), &token, password).await.status, 204);
        let begun = Instant::now();
        let refused = browsers.map(|browser| {
            let cookie = cookie.clone();
            async move {
                while browser.check_with(&cookie).await.status != 401 {}
                begun.elapsed()
            }
        });
        let told = streams.map(|stream| async move {
            assert_eq!(stream.reason().await, "password_changed");
            begun.elapsed()
        });
        let [here, there] = refused;
        let [told_here, told_there] = told;
        let (here, there, told_here, told_there) = tokio::join!(here, there, told_here, told_there);
        for (what, took) in [
            ("refused here", here),
            ("refused on the other node", there),
            ("told here", told_here),
            ("told by the other node", told_there),
        ] {
            times.entry(what).or_default().push(took);
        }
        // Its notice, so that the next mail is the next link.
        mail.nth("ann@example.com", 1 + 2 * round).await;
    }
    for (what, times) in times {
        let most = times.iter().max().copied().unwrap();
        println!(
            "{kind:?}: {what} after {:?}, at most {most:?}",
            median(times)
        );
        assert!(most <= Duration::from_secs(1), "{what}: {most:?}");
    }
}

async fn a_thousand_mails_by_nodes_that_are_killed(kind: Kind) {
    let mail = MailServer::start();
    let database = Database::new(kind).await;
    let place = workplace(&database, &mail, &[]);
    let mut nodes = [place.serve(), place.serve()].map(Some);
    nodes[0].as_ref().unwrap().browser().sign_up("Ann").await;
    let mut kills = 0;
    let mut waiting = Vec::new();
    for batch in 0..10 {
        for number in 0..100 {
            let node = nodes[number % 2].as_ref().unwrap();
            // One that was just started may still connect.
            let answer = forgot(&node.browser(), "ann@example.com").await;
            assert_eq!(answer.status, 202, "{answer:?}");
        }
        let victim = batch % 2;
        nodes[victim].take().unwrap().kill();
        waiting.push(database.count("outbox").await);
        kills += 1;
        nodes[victim] = Some(place.serve());
    }
    is_empty(&database).await;
    let mut ids = BTreeMap::<String, usize>::new();
    for mail in mail.received() {
        *ids.entry(mail.header("message-id").to_owned()).or_default() += 1;
    }
    let duplicates: usize = ids.values().map(|times| times - 1).sum();
    println!(
        "{kind:?}: {} of 1001 mails have arrived, {duplicates} twice, after {kills} kills, at which \
         {waiting:?} mails waited",
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
    a_server_that_was_down_for_a_minute_gets_all,
    a_thousand_mails_by_nodes_that_are_killed,
    a_reset_ends_sessions_elsewhere,
);
