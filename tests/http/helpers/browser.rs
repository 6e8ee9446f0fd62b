use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, ClientBuilder, Method, StatusCode,
    cookie::{CookieStore, Jar},
    header::HeaderMap,
    redirect,
};
use serde_json::{Value, json};

use super::PASSWORD;

/// How long a patient browser repeats a request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that keeps cookies as a browser does.
#[derive(Clone)]
pub struct Browser {
    base: String,
    client: Client,
    jar: Arc<Jar>,
    is_patient: bool,
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The `code` of a problem.
    pub fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The `reason` of a 401.
    pub fn reason(&self) -> String {
        assert_eq!(self.status, 401, "{self:?}");
        self.json()["reason"].as_str().unwrap().to_owned()
    }

    /// The value of the session cookie that the response sets.
    pub fn set_session(&self) -> Option<String> {
        let set = self.header("set-cookie")?.strip_prefix("session=")?;
        Some(set.split(';').next().unwrap().to_owned())
    }
}

/// A client needs this to be there, even where it speaks no https.
pub fn client_builder() -> ClientBuilder {
    // An error is that another test has done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // To read the certificates that the system trusts would take most of a test's time.
    Client::builder().tls_certs_only([])
}

impl Browser {
    pub fn new(base: &str) -> Self {
        Self::with(base, client_builder())
    }

    /// One at this address that speaks https and takes any certificate.
    pub fn over_https(base: &str, from: IpAddr) -> Self {
        let client = client_builder()
            .local_address(from)
            .tls_danger_accept_invalid_certs(true);
        Self::with(base, client)
    }

    fn with(base: &str, client: ClientBuilder) -> Self {
        let jar = Arc::new(Jar::default());
        let client = client
            .cookie_provider(jar.clone())
            .redirect(redirect::Policy::none())
            .user_agent("test browser")
            // Less than the server's ten seconds: a connection that it closes just as we use it
            // again is reset.
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        Self {
            base: base.to_owned(),
            client,
            jar,
            is_patient: false,
        }
    }

    /// The same one, which sends a request again when it gets 503, as the server of a busy machine has too
    /// little time for some. What was answered with 503 may have been done all the same.
    pub fn patient(&self) -> Self {
        Self {
            is_patient: true,
            ..self.clone()
        }
    }

    /// Another one at the same server.
    pub fn without_cookies(&self) -> Self {
        Self {
            is_patient: self.is_patient,
            ..Self::new(&self.base)
        }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn send(&self, mut request: reqwest::RequestBuilder) -> Answer {
        let start = Instant::now();
        loop {
            let again = request.try_clone().filter(|_| self.is_patient);
            let answer = Self::send_once(request).await;
            match again {
                Some(again) if answer.status == 503 => request = again,
                _ => return answer,
            }
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            assert!(start.elapsed() < PATIENCE, "{answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn send_once(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body))
            .await
    }

    /// The value of this browser's session cookie.
    pub fn session(&self) -> Option<String> {
        let cookies = self.jar.cookies(&self.base.parse().unwrap())?;
        let mut pairs = cookies.to_str().unwrap().split("; ");
        pairs.find_map(|pair| Some(pair.strip_prefix("session=")?.to_owned()))
    }

    /// `GET /checklogin` with this `Cookie` header and no other.
    pub async fn check_with(&self, cookie: &str) -> Answer {
        self.get_with("/checklogin", cookie).await
    }

    pub async fn get_with(&self, path: &str, cookie: &str) -> Answer {
        self.send_with(Method::GET, path, cookie).await
    }

    /// Without a body, with this `Cookie` header and no other.
    pub async fn send_with(&self, method: Method, path: &str, cookie: &str) -> Answer {
        let bare = self.without_cookies();
        bare.send(bare.request(method, path).header("cookie", cookie))
            .await
    }

    pub async fn sign_up(&self, name: &str) -> Answer {
        let email = format!("{}@example.com", name.to_lowercase());
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        let answer = self.post("/signup", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    pub async fn log_in(&self, name: &str) -> Answer {
        self.log_in_with(name, PASSWORD).await
    }

    pub async fn log_in_with(&self, name: &str, password: &str) -> Answer {
        self.post("/login", json!({"username": name, "password": password}))
            .await
    }

    /// As an account without a password does where `PASSWORDLESS_LOGIN` is on.
    pub async fn log_in_by_name(&self, name: &str) -> Answer {
        self.post("/login", json!({"username": name})).await
    }

    pub async fn check(&self) -> Answer {
        self.get("/checklogin").await
    }

    /// Polls `/checklogin` until it has this status: changes of others apply a little later.
    pub async fn check_until(&self, status: u16) -> Answer {
        for _ in 0..500 {
            let answer = self.check().await;
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never {status}");
    }

    /// `POST /reauthenticate`.
    pub async fn reauthenticate(&self, password: &str) -> Answer {
        self.post("/reauthenticate", json!({"password": password}))
            .await
    }

    /// The body of `GET /session`, which everybody gets.
    pub async fn session_info(&self) -> Value {
        let answer = self.get("/session").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub async fn log_out(&self) -> Answer {
        self.delete("/logout").await
    }
}
