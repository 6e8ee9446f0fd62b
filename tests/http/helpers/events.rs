use std::time::Duration;

use reqwest::{Method, Response, header::HeaderMap};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Browser;

/// Many times as long as an event may take: 1.2 s, where another process writes to SQLite.
const SOON: Duration = Duration::from_secs(20);
/// A few times as long as a stream may say nothing: 20 s.
const SILENCE: Duration = Duration::from_secs(50);
/// Twice as long as a stream that its client has closed may keep its place.
pub const UNTIL_THERE_IS_ROOM: Duration = Duration::from_secs(50);

/// An open stream of `GET /session/events`.
pub struct EventStream {
    response: Response,
    received: String,
    /// How many comments have come.
    pub comments: usize,
}

impl EventStream {
    /// Opens one, and waits for its first event.
    pub async fn open(browser: &Browser) -> Self {
        Self::of(browser.request(Method::GET, "/session/events")).await
    }

    /// With this `Cookie` header and no other.
    pub async fn open_with(browser: &Browser, cookie: &str) -> Self {
        let request = browser.request(Method::GET, "/session/events");
        Self::of(request.header("cookie", cookie)).await
    }

    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{response:?}");
        let mut stream = Self {
            response,
            received: String::new(),
            comments: 0,
        };
        assert_eq!(stream.next().await, Some(json!({"state": "active"})));
        stream
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The data of the next event, which must come soon; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
        let next = timeout(SOON, self.next_event()).await;
        next.expect("no event came in time")
    }

    /// The same, however long it takes.
    pub async fn next_event(&mut self) -> Option<Value> {
        loop {
            let lines = self.next_block().await?;
            let field = |name: &str| {
                let line = lines.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|rest| rest.strip_prefix(": "))
            };
            match field("data") {
                Some(data) => {
                    assert_eq!(field("event"), Some("session"), "{lines}");
                    return Some(serde_json::from_str(data).unwrap());
                }
                None => {
                    assert!(lines.starts_with(':'), "neither event nor comment: {lines}");
                    self.comments += 1;
                }
            }
        }
    }

    /// What comes next, up to an empty line; none at the end of the stream.
    pub async fn next_block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.received.split_once("\n\n") {
                let block = block.to_owned();
                self.received = rest.to_owned();
                return Some(block);
            }
            let chunk = timeout(SILENCE, self.response.chunk()).await;
            let chunk = chunk.expect("nothing came");
            // A proxy may cut the stream off where the server has ended it.
            let chunk = chunk.ok().flatten()?;
            self.received += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// Waits for the end, which must come next, and returns its reason.
    pub async fn reason(mut self) -> String {
        let ended = self.next().await.expect("no reason");
        assert_eq!(ended["state"], "ended", "{ended}");
        assert_eq!(self.next().await, None, "more after the end");
        ended["reason"].as_str().unwrap().to_owned()
    }

    /// Waits for a change of the user, which must come next.
    pub async fn changed(&mut self) {
        assert_eq!(self.next().await, Some(json!({"state": "changed"})));
    }
}
