//! Speaks to a site as its clients do, each time on a connection of its own.

use std::{fmt, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use tokio::sync::oneshot;
use ureq::{
    Agent, Body,
    http::Response as RawResponse,
    tls::{Certificate, RootCerts, TlsConfig},
};
use url::Url;

use crate::http::is_private;

/// Longer than the server takes for a request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// No response that is looked at is longer.
const MAX_BODY: u64 = 8 * 1024 * 1024;
/// A proxy that limits requests lets one through after as many, most likely.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
pub(super) const ACCEPT_ALL_ENCODINGS: (&str, &str) =
    ("accept-encoding", "gzip, br, zstd, deflate");

/// A site, and where its API lives.
#[derive(Clone, Debug)]
pub(super) struct Site {
    agent: Agent,
    /// Scheme, host and port.
    pub origin: String,
    /// Of the API, without a slash at the end.
    pub prefix: String,
}

/// A response with its whole body.
#[derive(Debug)]
pub(super) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A text of the JSON body.
    pub fn field(&self, name: &str) -> Option<String> {
        Some(self.json()?.get(name)?.as_str()?.to_owned())
    }

    pub fn is_no_store(&self) -> bool {
        let values = self.headers.get_all(header::CACHE_CONTROL).iter();
        let mut values = values.filter_map(|value| value.to_str().ok());
        values.any(|value| value.to_ascii_lowercase().contains("no-store"))
    }

    /// Whether handstamp made it, and not a proxy on the way, whose errors have a form of their own.
    pub fn is_of_the_server(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default();
        self.status.is_success() || content_type.starts_with("application/problem+json")
    }

    /// Whether the same request may well get another response a moment later.
    fn is_passing(&self) -> bool {
        matches!(self.status.as_u16(), 429 | 502 | 503 | 504)
    }

    /// The id of its request, which no two responses share unless a cache has stored one.
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-request-id")
    }
}

impl Site {
    /// The site at `url`, whose path is the API's prefix.
    pub fn new(url: &Url) -> Self {
        let agent = Agent::config_builder()
            .user_agent(concat!("handstamp-doctor/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            // A balancer may keep to one node for each connection.
            .max_idle_connections(0)
            .timeout_global(Some(TIMEOUT))
            // Others are asked for where compression is looked at.
            .accept_encoding("identity")
            .tls_config(tls())
            .build()
            .new_agent();
        Self {
            agent,
            origin: url.origin().ascii_serialization(),
            prefix: url.path().trim_end_matches('/').to_owned(),
        }
    }

    /// The same, at another address.
    pub fn at(&self, url: &Url) -> Self {
        Self {
            origin: url.origin().ascii_serialization(),
            ..self.clone()
        }
    }

    /// The same, with the API elsewhere.
    pub fn with_prefix(&self, prefix: String) -> Self {
        Self {
            prefix,
            ..self.clone()
        }
    }

    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// Whether its address is one of the internet.
    pub async fn is_public(&self) -> bool {
        let url = Url::parse(&self.origin).ok();
        let address = url.as_ref().and_then(|url| {
            let host = url.host_str()?.trim_matches(['[', ']']);
            Some((host, url.port_or_known_default()?))
        });
        let Some(address) = address else {
            return false;
        };
        let found = tokio::net::lookup_host(address).await;
        found.is_ok_and(|mut found| found.any(|it| !is_private(&it.ip())))
    }

    /// What browsers send as `Host`.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, rest)| rest)
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response, Unreachable> {
        self.send(Method::GET, path, headers, None).await
    }

    /// A request to the API. One that changes nothing is made again where it was turned away for
    /// the moment.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        json: Option<Value>,
    ) -> Result<Response, Unreachable> {
        let url = format!("{}{}{path}", self.origin, self.prefix);
        let tries = if method == Method::POST { 1 } else { TRIES };
        let mut pause = PAUSE;
        for _ in 1..tries {
            let response = self
                .request(method.clone(), &url, headers, json.clone())
                .await?;
            if !response.is_passing() {
                return Ok(response);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.request(method, &url, headers, json).await
    }

    /// A request to any address.
    pub async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        json: Option<Value>,
    ) -> Result<Response, Unreachable> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match &json {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let agent = self.agent.clone();
        let ask = move || {
            let raw = match json {
                Some(json) => agent.run(request.body(json.to_string())?)?,
                None => agent.run(request.body(())?)?,
            };
            Response::read(raw)
        };
        let (sender, receiver) = oneshot::channel();
        // Not one of tokio's, for which the process would wait when it is interrupted.
        let thread = std::thread::Builder::new().spawn(move || drop(sender.send(ask())));
        let failed = |error: &dyn fmt::Display| Unreachable(error.to_string().into());
        thread.map_err(|error| failed(&error))?;
        Ok(receiver.await.map_err(|error| failed(&error))??)
    }
}

impl Response {
    fn read(raw: RawResponse<Body>) -> Result<Self, ureq::Error> {
        let (head, mut body) = raw.into_parts();
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body: body.with_config().limit(MAX_BODY).read_to_vec()?,
        })
    }
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    User,
    /// For this reason.
    Nobody(String),
    /// The response is none that handstamp gives to either.
    Unclear(u16),
}

impl Who {
    pub fn of(response: &Response) -> Self {
        let code = || response.field("code");
        match response.status.as_u16() {
            200 if response.field("username").is_some() => Self::User,
            401 if code().as_deref() == Some("not_logged_in") => {
                Self::Nobody(response.field("reason").unwrap_or_default())
            }
            status => Self::Unclear(status),
        }
    }

    /// Asks the site.
    pub async fn ask(site: &Site, headers: &[(&str, &str)]) -> Result<Self, Unreachable> {
        Ok(Self::of(&site.get("/checklogin", headers).await?))
    }
}

/// The system trusts whom its own certificates, or those of SSL_CERT_FILE, vouch for.
fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> = found
        .certs
        .iter()
        .map(|root| Certificate::from_der(root).to_owned())
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

/// Why there was no response.
#[derive(Clone, Debug)]
pub(super) struct Unreachable(Arc<str>);

impl From<ureq::Error> for Unreachable {
    fn from(error: ureq::Error) -> Self {
        Self(error.to_string().into())
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
