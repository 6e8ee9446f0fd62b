//! `GET /healthz/seen`: what the server received of a request, which a proxy may have changed. It
//! responds only to a token derived from `SECRET_KEY`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, header},
    response::{IntoResponse, Response},
    routing::any,
};
use ipnet::IpNet;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::token::{Token, prove};
use crate::{
    auth::{Auth, Secret},
    http::{Error, client_ip},
    server::settings::Config,
};

/// The template of its route.
pub const SEEN_TEMPLATE: &str = "/healthz/seen";
/// The header with the token; in the response it has the proof that the token's key is known.
pub(super) const TOKEN: &str = "handstamp-doctor";
/// There instead, where none of the node's keys has signed the token. A node of an older version,
/// or a proxy, responds without it.
pub(super) const REFUSED: &str = "refused";
/// Proxies compress what is longer than some hundreds of bytes.
const PADDING: usize = 4096;

/// What the server saw of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Tells processes apart, as long as each runs.
    pub node: String,
    /// The id of the key that signs cookies, which reveals nothing of the key.
    pub key_id: String,
    /// The client's address, as the rate limits count it.
    pub client: Option<IpAddr>,
    /// Whose connection it is: the last proxy's.
    pub peer: IpAddr,
    /// Whether TRUSTED_PROXIES holds the peer.
    pub is_peer_trusted: bool,
    /// Whether it holds the client.
    pub is_client_trusted: bool,
    /// The entries of every X-Forwarded-For, in their order.
    pub forwarded_for: Vec<String>,
    pub forwarded_proto: Option<String>,
    pub host: Option<String>,
    pub padding: String,
}

#[derive(Clone, Debug)]
struct Seer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    node: String,
    auth: Auth,
    keys: Vec<Secret>,
    trusted_proxies: Vec<IpNet>,
}

/// The route, which is none (404) without a token of the doctor, whatever the method.
pub fn seen_router(config: &Config, auth: &Auth) -> Router {
    let keys = config.secret_key.iter().chain(&config.secret_key_fallbacks);
    let seer = Seer(Arc::new(Parts {
        node: format!("{:016x}", rand::rng().random::<u64>()),
        auth: auth.clone(),
        keys: keys.cloned().collect(),
        trusted_proxies: config.trusted_proxies.clone(),
    }));
    Router::new()
        .route(SEEN_TEMPLATE, any(seen))
        .with_state(seer)
}

async fn seen(State(seer): State<Seer>, request: Request) -> Result<Response, Error> {
    let token = request
        .headers()
        .get(TOKEN)
        .filter(|_| request.method() == Method::GET);
    let token = token.ok_or(Error::NotFound)?.to_str().unwrap_or_default();
    let Some(key) = Token::signer(token, &seer.0.keys, seer.0.auth.now()) else {
        let mark = [(TOKEN, HeaderValue::from_static(REFUSED))];
        return Ok((mark, Error::NotFound).into_response());
    };
    let seen = seer.see(&request).ok_or(Error::NotFound)?;
    let body = serde_json::to_string(&seen).map_err(Error::internal)?;
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_TYPE, "application/json"),
    ];
    let proof = [(TOKEN, prove(key, token, body.as_bytes()))];
    Ok((headers, proof, body).into_response())
}

impl Seer {
    fn see(&self, request: &Request) -> Option<Seen> {
        let Parts {
            node,
            auth,
            trusted_proxies,
            ..
        } = &*self.0;
        let (headers, extensions) = (request.headers(), request.extensions());
        let peer = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let peer = peer.ip().to_canonical();
        let client = client_ip(headers, extensions, trusted_proxies);
        let is_trusted =
            |address: &IpAddr| trusted_proxies.iter().any(|block| block.contains(address));
        let text = |name: &str| {
            let value = headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Some(Seen {
            node: node.clone(),
            key_id: auth.key_id().to_owned(),
            client,
            peer,
            is_peer_trusted: is_trusted(&peer),
            is_client_trusted: client.as_ref().is_some_and(is_trusted),
            forwarded_for: forwarded_for(headers),
            forwarded_proto: text("x-forwarded-proto"),
            host: text("host"),
            padding: ".".repeat(PADDING),
        })
    }
}

fn forwarded_for(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-forwarded-for").iter();
    let values = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values
        .flat_map(|value| {
            value
                .split(',')
                .map(|entry| entry.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}
