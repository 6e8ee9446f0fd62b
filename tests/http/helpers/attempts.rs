use std::time::Duration;

use serde_json::json;

use super::{Answer, Browser, PASSWORD, Server};

/// Long enough for a password to be counted, too short for a response.
pub const TOO_SOON: Duration = Duration::from_millis(8);
/// The same on a busy machine.
pub const LONG_ENOUGH: Duration = Duration::from_millis(200);

pub async fn guess(browser: &Browser, name: &str) -> Answer {
    browser.log_in_with(name, "a wrong password").await
}

pub async fn sign_up_number(server: &Server, number: u32) -> Answer {
    let body = json!({
        "username": format!("user{number}"),
        "email": format!("user{number}@example.com"),
        "password": PASSWORD,
    });
    server.browser().post("/signup", body).await
}

/// The `Retry-After` of a 429.
pub fn wait(answer: &Answer) -> Duration {
    assert_eq!(answer.code(), "too_many_attempts");
    assert_eq!(answer.status, 429);
    let seconds = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains(&format!("{seconds} s"))
    );
    Duration::from_secs(seconds)
}
