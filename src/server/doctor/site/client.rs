//! Speaks to a site as its clients do, each time on a connection of its own.

use std::{fmt, sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::Response,
    tls::{Certificate, RootCerts, TlsConfig},
};
use url::Url;

/// Longer than the server takes for a request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// No response that is looked at is longer.
const MAX_BODY: u64 = 8 * 1024 * 1024;
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
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
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

    /// What browsers send as `Host`.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, rest)| rest)
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, Unreachable> {
        self.send(Method::GET, path, headers, None).await
    }

    /// A request to the API.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        json: Option<Value>,
    ) -> Result<Answer, Unreachable> {
        let url = format!("{}{}{path}", self.origin, self.prefix);
        self.request(method, &url, headers, json).await
    }

    /// A request to any address.
    pub async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        json: Option<Value>,
    ) -> Result<Answer, Unreachable> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match &json {
            Some(_) => request.header(header::CONTENT_TYPE, "application/json"),
            None => request,
        };
        let agent = self.agent.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let response = match json {
                Some(json) => agent.run(request.body(json.to_string())?)?,
                None => agent.run(request.body(())?)?,
            };
            Answer::read(response)
        });
        match asked.await {
            Ok(answer) => Ok(answer?),
            Err(error) => Err(Unreachable(error.to_string().into())),
        }
    }
}

impl Answer {
    fn read(response: Response<Body>) -> Result<Self, ureq::Error> {
        let (head, mut body) = response.into_parts();
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body: body.with_config().limit(MAX_BODY).read_to_vec()?,
        })
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
