//! A re-authentication that races what ends its session: the end always wins.
//! `REAUTHENTICATION_RACES=2000` runs each race so often.

use std::time::{Duration, Instant};

use axum::{Router, extract::State, routing::post};
use handstamp::{
    Auth, Error,
    auth::{RequestSession, User},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::helpers::{Answer, Browser, Kind, PASSWORD, Server, find_user, on_both_databases};

on_both_databases!(
    a_log_out_wins,
    a_revocation_wins,
    a_password_change_elsewhere_wins,
    a_password_change_of_the_same_session_leaves_one_session,
);

const ROUNDS: u32 = 24;
const NEW: &str = "black coffee by noon";

fn rounds() -> u32 {
    let asked = std::env::var("REAUTHENTICATION_RACES").ok();
    asked.map_or(ROUNDS, |count| count.parse().unwrap())
}

/// The routes, and one that logs Ann in without a password to be hashed.
fn app(auth: Auth) -> Router {
    let enter = async |State(auth): State<Auth>, session: RequestSession| {
        let account = auth.accounts().find_by_username("Ann").await?;
        let ann: User = account.ok_or(Error::NotFound)?.user;
        auth.log_in(&session, &ann).await
    };
    Router::new()
        .route("/enter", post(enter))
        .layer(auth.layer())
        .with_state(auth.clone())
        .merge(auth.routes())
}

/// One server, and how long a re-authentication takes on it, so that what races it arrives at each
/// of its moments.
struct Race {
    server: Server,
    takes: Duration,
    /// How many re-authentications came first.
    renewed: u32,
}

impl Race {
    async fn start(kind: Kind) -> Self {
        let settings = [
            ("PASSWORD_HASHES_AT_ONCE", "3"),
            ("LOGIN_FAILURES_PER_ACCOUNT", "unlimited"),
            ("LOGIN_FAILURES_PER_ADDRESS", "unlimited"),
            // Many rounds take longer than the default, and some users prove themselves once.
            ("REAUTHENTICATION_WINDOW", "1d"),
        ];
        let server = Server::start_app(kind, &settings, app).await;
        server.browser().sign_up("Ann").await;
        Self {
            server,
            takes: Duration::from_millis(30),
            renewed: 0,
        }
    }

    /// A browser that is logged in, and its cookie.
    async fn enter(&self) -> (Browser, String) {
        let browser = self.server.browser();
        assert_eq!(browser.post("/enter", Value::Null).await.status, 200);
        let cookie = format!("session={}", browser.session().unwrap());
        (browser, cookie)
    }

    /// Sends a re-authentication, and returns when what races it in this round is to be sent.
    async fn prove(&self, round: u32, cookie: &str, password: &str) -> Proving {
        let bare = self.server.browser();
        let request = bare.request(Method::POST, "/reauthenticate");
        let request = request.header("cookie", cookie);
        let request = request.json(&json!({"password": password}));
        let proving = tokio::spawn(async move {
            let start = Instant::now();
            (bare.send(request).await, start.elapsed())
        });
        // From the start to a little after the end; most often about the end, where it writes.
        let moment = match round % 3 {
            0 => f64::from(round % 40) / 32.0,
            _ => 0.85 + f64::from(round % 31) / 100.0,
        };
        sleep(self.takes.mul_f64(moment)).await;
        Proving(proving)
    }

    /// The response, and the cookie that it has set.
    async fn proved(&mut self, proving: Proving) -> (Answer, Option<String>) {
        let (answer, took) = proving.0.await.unwrap();
        let renewed = answer.set_session();
        let renewed = renewed.map(|session| format!("session={session}"));
        assert_eq!(answer.status == 200, renewed.is_some(), "{answer:?}");
        if renewed.is_some() {
            self.renewed += 1;
            self.takes = (self.takes * 7 + took) / 8;
        }
        (answer, renewed)
    }

    /// No cookie of the session is good for anything.
    async fn assert_dead(&self, cookies: impl IntoIterator<Item = &String>, round: u32) {
        let browser = self.server.browser();
        for cookie in cookies {
            let check = browser.check_with(cookie).await;
            assert_eq!(check.reason(), "unknown_session", "round {round}");
            let info = browser.get_with("/session", cookie).await.json();
            assert_eq!(info["reauthentication"], Value::Null, "round {round}");
            let grant = browser.send_with(Method::DELETE, "/sessions", cookie);
            assert_eq!(grant.await.status, 401, "round {round}");
        }
    }

    async fn assert_sessions(&self, count: i64, round: u32) {
        let sessions = self.server.database.count("sessions").await;
        assert_eq!(sessions, count, "round {round}");
    }

    #[expect(clippy::print_stdout, reason = "a long run says how the races ended")]
    fn report(&self) {
        let (renewed, rounds) = (self.renewed, rounds());
        println!(
            "{renewed} of {rounds} re-authentications came first, {:?}",
            self.takes
        );
    }
}

struct Proving(JoinHandle<(Answer, Duration)>);

async fn a_log_out_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    let sessions = race.server.database.count("sessions").await;
    for round in 0..rounds() {
        let (browser, cookie) = race.enter().await;
        let proving = race.prove(round, &cookie, PASSWORD).await;
        assert_eq!(browser.log_out().await.status, 200);
        let (answer, renewed) = race.proved(proving).await;
        assert!([200, 401].contains(&answer.status.as_u16()), "{answer:?}");
        race.assert_dead(renewed.iter().chain([&cookie]), round)
            .await;
        race.assert_sessions(sessions, round).await;
    }
    race.report();
}

async fn a_revocation_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    let (owner, _) = race.enter().await;
    let sessions = race.server.database.count("sessions").await;
    for round in 0..rounds() {
        let (browser, cookie) = race.enter().await;
        let id = browser.session_info().await["session"]["id"].clone();
        let path = format!("/sessions/{}", id.as_str().unwrap());
        let proving = race.prove(round, &cookie, PASSWORD).await;
        assert_eq!(owner.delete(&path).await.status, 204, "round {round}");
        let (answer, renewed) = race.proved(proving).await;
        assert!([200, 401].contains(&answer.status.as_u16()), "{answer:?}");
        race.assert_dead(renewed.iter().chain([&cookie]), round)
            .await;
        race.assert_sessions(sessions, round).await;
        assert_eq!(owner.check().await.status, 200);
    }
    race.report();
}

async fn a_password_change_elsewhere_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    let (owner, _) = race.enter().await;
    let mut passwords = [PASSWORD, NEW];
    for round in 0..rounds() {
        let [current, new] = passwords;
        let (_, cookie) = race.enter().await;
        let change = {
            let owner = owner.clone();
            let body = json!({"current_password": current, "new_password": new});
            tokio::spawn(async move { owner.post("/password", body).await })
        };
        // A change hashes twice: it has a head start.
        sleep(race.takes.mul_f64(f64::from(round % 23) / 16.0)).await;
        let proving = race.prove(round, &cookie, current).await;
        let changed = change.await.unwrap();
        assert_eq!(changed.status, 204, "round {round}: {changed:?}");
        let (answer, renewed) = race.proved(proving).await;
        assert!(
            [200, 400, 401].contains(&answer.status.as_u16()),
            "{answer:?}"
        );
        race.assert_dead(renewed.iter().chain([&cookie]), round)
            .await;
        race.assert_sessions(1, round).await;
        assert_eq!(owner.check().await.status, 200);
        passwords = [new, current];
    }
    race.report();
}

/// Both give the session a new id: one of them finds that it is gone.
async fn a_password_change_of_the_same_session_leaves_one_session(kind: Kind) {
    let mut race = Race::start(kind).await;
    let ann = find_user(race.server.accounts(), "Ann").await;
    let mut passwords = [PASSWORD, NEW];
    for round in 0..rounds() {
        race.server.accounts().sign_out(&ann).await.unwrap();
        let [current, new] = passwords;
        let (browser, cookie) = race.enter().await;
        let change = {
            let browser = browser.clone();
            let body = json!({"current_password": current, "new_password": new});
            tokio::spawn(async move { browser.post("/password", body).await })
        };
        sleep(race.takes.mul_f64(f64::from(round % 23) / 16.0)).await;
        let proving = race.prove(round, &cookie, current).await;
        let changed = change.await.unwrap();
        let (answer, renewed) = race.proved(proving).await;
        let bare = race.server.browser();
        let check = bare.check_with(&cookie).await;
        assert_eq!(check.reason(), "unknown_session", "round {round}");
        race.assert_sessions(1, round).await;
        let live = match (renewed, changed.set_session()) {
            // The change came second, and has not changed the password.
            (Some(renewed), None) => {
                assert_eq!(changed.status, 401, "{changed:?}");
                renewed
            }
            (None, Some(session)) => {
                assert_eq!(changed.status, 204, "{changed:?}");
                let is_refused = [400, 401].contains(&answer.status.as_u16());
                assert!(is_refused, "{answer:?}");
                passwords = [new, current];
                format!("session={session}")
            }
            both_or_none => panic!("{both_or_none:?}: {changed:?} {answer:?}"),
        };
        assert_eq!(bare.check_with(&live).await.status, 200, "round {round}");
    }
    race.report();
}
