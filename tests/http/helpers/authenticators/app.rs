use std::time::Duration;

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::helpers::{Answer, Browser, MovableClock, PASSWORD, Server};

/// How long a code is shown.
pub const STEP: Duration = Duration::from_secs(30);

/// An app that makes codes, by the clock of the server.
#[derive(Clone)]
pub struct AuthenticatorApp {
    totp: Totp,
    clock: MovableClock,
}

impl AuthenticatorApp {
    /// With the secret that `POST /totp` has returned.
    pub fn new(server: &Server, secret: &str) -> Self {
        Self::of_system(secret).at(server)
    }

    /// One whose server has the system's clock.
    pub fn of_system(secret: &str) -> Self {
        let secret = Secret::try_from_base32(secret).unwrap();
        Self {
            totp: Builder::new().with_secret(secret).build().unwrap(),
            clock: MovableClock::default(),
        }
    }

    /// The same, by the clock of another server.
    pub fn at(&self, server: &Server) -> Self {
        Self {
            clock: server.clock.clone(),
            ..self.clone()
        }
    }

    /// The code that it shows.
    pub fn code(&self) -> String {
        self.code_in(0)
    }

    /// The code that it shows so many steps from now.
    pub fn code_in(&self, steps: i64) -> String {
        let (now, _) = self.clock.clock().now().unix();
        let at = now.checked_add_signed(steps * 30).unwrap();
        self.totp.generate(at).to_string()
    }

    /// A code that is not right, nor will or was within a step.
    pub fn wrong_code(&self) -> String {
        let right: Vec<String> = (-2..=2).map(|steps| self.code_in(steps)).collect();
        let mut codes = (0..10).map(|number| format!("00000{number}"));
        codes.find(|code| !right.contains(code)).unwrap()
    }
}

/// An account with a second factor.
pub struct TwoSteps {
    /// On which it was turned on.
    pub browser: Browser,
    pub app: AuthenticatorApp,
    pub recovery_codes: Vec<String>,
}

impl TwoSteps {
    /// Signs somebody up and turns codes on. The clock is stopped, and moved on by a step, so that the
    /// next code is another.
    pub async fn sign_up(server: &Server, name: &str) -> Self {
        server.clock.stop();
        let browser = server.browser();
        assert_eq!(browser.sign_up(name).await.status, 201);
        Self::turn_on(server, browser).await
    }

    /// Turns codes on for who is logged in.
    pub async fn turn_on(server: &Server, browser: Browser) -> Self {
        let begun = browser.post("/totp", json!({})).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let app = AuthenticatorApp::new(server, begun.json()["secret"].as_str().unwrap());
        let confirmed = browser.post("/totp/confirm", json!({"code": app.code()}));
        let recovery_codes = recovery_codes(&confirmed.await);
        server.clock.advance(STEP);
        Self {
            browser,
            app,
            recovery_codes,
        }
    }

    /// A browser on which the first step is done.
    pub async fn first_step(&self, name: &str) -> Browser {
        let browser = self.browser.without_cookies();
        let answer = browser.log_in_with(name, PASSWORD).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        browser
    }
}

/// The recovery codes of a response.
pub fn recovery_codes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let codes = answer.json()["recovery_codes"].clone();
    let codes: Vec<String> = serde_json::from_value::<Vec<Value>>(codes)
        .unwrap()
        .into_iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    codes
}

impl Browser {
    /// The second step of a login.
    pub async fn send_code(&self, code: &str) -> Answer {
        self.post("/login/totp", json!({"code": code})).await
    }

    /// The second step of a login, by a recovery code.
    pub async fn send_recovery_code(&self, code: &str) -> Answer {
        self.post("/login/recovery-code", json!({"code": code}))
            .await
    }
}
