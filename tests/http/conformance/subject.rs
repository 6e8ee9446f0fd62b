use std::{pin::Pin, sync::Arc, time::Duration};

use handstamp::auth::Application;
use reqwest::{Client, Method, RequestBuilder, Response, redirect};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::helpers::{Kind, Server, client_builder};

/// A claim's name and its test, which panics if the claim does not hold.
pub type Row = (
    (&'static str, &'static str),
    fn(Subject) -> Pin<Box<dyn Future<Output = ()> + Send>>,
);

pub const fn row_name(module: &'static str, name: &'static str) -> (&'static str, &'static str) {
    (module, name)
}

/// A server under test, with a user Jackson who has no password.
#[derive(Clone)]
pub struct Subject {
    pub base: String,
    client: Client,
    /// Ends with the last clone.
    _server: Option<Arc<Server>>,
}

/// A session cookie as it was set.
#[derive(Clone, Debug)]
pub struct SetCookie {
    pub name: String,
    pub value: String,
    pub attributes: Vec<String>,
}

/// What was received on a raw connection.
#[derive(Debug)]
pub struct Reply {
    pub text: String,
    pub is_closed: bool,
}

impl SetCookie {
    fn parse(header: &str) -> Self {
        let mut parts = header.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            attributes: parts.map(str::to_lowercase).collect(),
        }
    }

    /// As the browser sends it back.
    pub fn pair(&self) -> String {
        self.with_value(&self.value)
    }

    /// As an attacker sends it back.
    pub fn with_value(&self, value: &str) -> String {
        format!("{}={value}", self.name)
    }
}

impl Subject {
    pub async fn handstamp(kind: Kind) -> Self {
        let server = Server::start_with(kind, &[("PASSWORDLESS_LOGIN", "on")]).await;
        let jackson = Application::new("Jackson".to_owned());
        server.accounts().add(jackson).await.unwrap();
        Self {
            _server: Some(Arc::new(server)),
            ..Self::peer("")
        }
        .at_server()
    }

    fn at_server(mut self) -> Self {
        if let Some(server) = &self._server {
            self.base.clone_from(&server.base);
        }
        self
    }

    pub fn peer(base: &str) -> Self {
        let client = client_builder()
            .redirect(redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            // A server may close a connection just as it is reused.
            .pool_max_idle_per_host(0)
            .build();
        Self {
            base: base.to_owned(),
            client: client.unwrap(),
            _server: None,
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub fn log_in_request(&self) -> RequestBuilder {
        self.log_in_request_of(&json!("Jackson"))
    }

    pub fn log_in_request_of(&self, name: &Value) -> RequestBuilder {
        self.request(Method::POST, "/login")
            .json(&json!({ "username": name }))
    }

    /// Logs Jackson in, on a browser that has no cookie yet.
    pub async fn log_in(&self) -> SetCookie {
        session_set_by(&self.log_in_request().send().await.unwrap())
    }

    /// `GET /checklogin` with this `Cookie` header.
    pub async fn check(&self, cookie: &str) -> Response {
        let request = self.request(Method::GET, "/checklogin");
        request.header("cookie", cookie).send().await.unwrap()
    }

    pub async fn is_logged_in(&self, cookie: &str) -> bool {
        let answer = self.check(cookie).await;
        let status = answer.status().as_u16();
        assert!(matches!(status, 200 | 400..=499), "{cookie}: {status}");
        status == 200
    }

    pub async fn log_out(&self, cookie: &str) -> Response {
        let request = self.request(Method::DELETE, "/logout");
        request.header("cookie", cookie).send().await.unwrap()
    }

    pub async fn connect(&self) -> TcpStream {
        let address = self.base.strip_prefix("http://").unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Sends these bytes and reads until the server closes or `within` has passed.
    pub async fn exchange(&self, bytes: &[u8], within: Duration) -> Reply {
        let mut stream = self.connect().await;
        // A server may close before everything is sent.
        let _ = stream.write_all(bytes).await;
        read(stream, within).await
    }
}

async fn read(mut stream: TcpStream, within: Duration) -> Reply {
    let until = Instant::now() + within;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    let is_closed = loop {
        match timeout_at(until, stream.read(&mut buffer)).await {
            Err(_) => break false,
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(read)) => bytes.extend_from_slice(&buffer[..read]),
        }
    };
    Reply {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        is_closed,
    }
}

impl Reply {
    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }

    pub fn status(&self) -> Option<u16> {
        self.text.split(' ').nth(1)?.parse().ok()
    }
}

/// The session that a login has set.
pub fn session_set_by(answer: &Response) -> SetCookie {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let set = answer.headers().get("set-cookie").expect("a cookie is set");
    SetCookie::parse(set.to_str().unwrap())
}
