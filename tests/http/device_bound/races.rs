//! A refresh that races the end of its session: the end always wins.
//! `DEVICE_RACES=2000` runs each race so often.

use std::time::{Duration, Instant};

use handstamp::auth::{Application, User};
use reqwest::Method;
use tokio::{task::JoinHandle, time::sleep};

use crate::helpers::{
    Answer, Bound, DEVICE_BOUND, Kind, PASSWORD, Server, on_both_databases, refresh, set_proof,
};

on_both_databases!(a_log_out_wins, a_revocation_wins, a_password_change_wins);

const ROUNDS: u32 = 24;

fn rounds() -> u32 {
    let asked = std::env::var("DEVICE_RACES").ok();
    asked.map_or(ROUNDS, |count| count.parse().unwrap())
}

struct Race {
    server: Server,
    ann: User,
    /// How long a refresh takes, so that what races it arrives at each of its moments.
    takes: Duration,
    refreshed: u32,
}

impl Race {
    async fn start(kind: Kind) -> Self {
        let settings = [DEVICE_BOUND, ("PASSWORDLESS_LOGIN", "on")];
        let server = Server::start_with(kind, &settings).await;
        let ann = server.accounts().add(Application::new("Ann")).await;
        Self {
            server,
            ann: ann.unwrap(),
            takes: Duration::from_millis(5),
            refreshed: 0,
        }
    }

    /// A browser that is logged in on a bound session.
    async fn enter(&self) -> Bound {
        let browser = self.server.browser();
        let answer = browser.log_in_by_name("Ann").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Bound::bind(browser, &answer).await
    }

    /// Sends the second step of a refresh; what races it in this round is to be sent when this returns.
    async fn refresh(
        &self,
        round: u32,
        bound: &Bound,
        challenge: &str,
    ) -> JoinHandle<(Answer, Duration)> {
        let jwt = bound.device.refresh(challenge);
        let (browser, id) = (bound.browser.clone(), bound.id.clone());
        let sent = tokio::spawn(async move {
            let start = Instant::now();
            (refresh(&browser, &id, Some(&jwt)).await, start.elapsed())
        });
        sleep(self.takes.mul_f64(f64::from(round % 37) / 30.0)).await;
        sent
    }

    /// Nothing that the refresh has given is good for anything.
    async fn assert_dead(
        &mut self,
        round: u32,
        bound: &Bound,
        sent: JoinHandle<(Answer, Duration)>,
    ) {
        let (answer, took) = sent.await.unwrap();
        let bare = self.server.browser();
        let proof = match answer.status.as_u16() {
            200 => {
                self.refreshed += 1;
                self.takes = (self.takes * 7 + took) / 8;
                set_proof(&answer).unwrap()
            }
            401 => bound.proof.clone(),
            _ => panic!("round {round}: {answer:?}"),
        };
        let cookies = format!("{}; session-proof={proof}", bound.copied());
        let check = bare.check_with(&cookies).await;
        assert_eq!(check.reason(), "unknown_session", "round {round}");
        let again = refresh(&bound.browser, &bound.id, None).await;
        assert_eq!(again.reason(), "unknown_session", "round {round}");
        let live = "sessions where device_key is not null";
        assert_eq!(self.server.database.count(live).await, 0, "round {round}");
    }

    #[expect(clippy::print_stdout, reason = "a long run says how the races ended")]
    fn report(&self) {
        let (refreshed, rounds, takes) = (self.refreshed, rounds(), self.takes);
        println!("{refreshed} of {rounds} refreshes came first, {takes:?}");
        // Else nothing has raced.
        let is_race = 0 < refreshed && refreshed < rounds;
        assert!(is_race || rounds < 1_000, "{refreshed} of {rounds}");
    }
}

async fn a_log_out_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    let bare = race.server.browser();
    for round in 0..rounds() {
        let bound = race.enter().await;
        let challenge = bound.challenge().await;
        let out = bare.request(Method::DELETE, "/logout");
        let out = out.header("cookie", bound.cookies());
        let sent = race.refresh(round, &bound, &challenge).await;
        assert_eq!(bare.send(out).await.status, 200);
        race.assert_dead(round, &bound, sent).await;
    }
    race.report();
}

async fn a_revocation_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    for round in 0..rounds() {
        let bound = race.enter().await;
        let challenge = bound.challenge().await;
        let sent = race.refresh(round, &bound, &challenge).await;
        race.server.accounts().sign_out(&race.ann).await.unwrap();
        race.assert_dead(round, &bound, sent).await;
    }
    race.report();
}

async fn a_password_change_wins(kind: Kind) {
    let mut race = Race::start(kind).await;
    // It hashes before it writes.
    let mut takes = Duration::from_millis(50);
    for round in 0..rounds() {
        let browser = race.server.browser();
        let answer = match round {
            0 => browser.log_in_by_name("Ann").await,
            _ => browser.log_in_with("Ann", PASSWORD).await,
        };
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        let bound = Bound::bind(browser, &answer).await;
        let challenge = bound.challenge().await;
        let accounts = race.server.accounts().clone();
        let (ann, start) = (race.ann.clone(), Instant::now());
        let change = tokio::spawn(async move {
            let set = accounts.set_password(&ann, PASSWORD.to_owned());
            set.await.unwrap();
            start.elapsed()
        });
        let moment = 0.5 + f64::from(round % 31) / 50.0;
        let until = takes.mul_f64(moment).saturating_sub(race.takes);
        sleep(until).await;
        let sent = race.refresh(round, &bound, &challenge).await;
        takes = (takes * 7 + change.await.unwrap()) / 8;
        race.assert_dead(round, &bound, sent).await;
    }
    race.report();
}
