//! What the server saw of a request, told to whoever holds its `SECRET_KEY`: through a proxy, no
//! client can know it otherwise.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::token::Token;
use crate::{
    auth::{Auth, Secret},
    http::{Error, client_ip},
    server::settings::Config,
};

/// The template of its route.
pub const SEEN_TEMPLATE: &str = "/healthz/seen";
/// The header with the token.
pub(super) const TOKEN: &str = "handstamp-doctor";
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// Proxies compress what is longer than some hundreds of bytes.
const PADDING: usize = 4096;

/// What the server saw of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The id of the key that signs cookies, which reveals nothing of the key.
    pub key_id: String,
    /// The client's address, as the rate limits count it.
    pub client: Option<IpAddr>,
    /// Whose connection it is: the last proxy's.
    pub peer: IpAddr,
    /// Whether TRUSTED_PROXIES holds the peer.
    pub is_peer_trusted: bool,
    /// The entries of every X-Forwarded-For, in their order.
    pub forwarded_for: Vec<String>,
    pub forwarded_proto: Option<String>,
    pub host: Option<String>,
    pub origin: Option<String>,
    pub sec_fetch_site: Option<String>,
    padding: String,
}

#[derive(Clone, Debug)]
struct Seer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    auth: Auth,
    keys: Vec<Secret>,
    trusted_proxies: Vec<IpNet>,
}

/// The route, which is none (404) without a token of the doctor.
pub fn seen_router(config: &Config, auth: &Auth) -> Router {
    let keys = config.secret_key.iter().chain(&config.secret_key_fallbacks);
    let seer = Seer(Arc::new(Parts {
        auth: auth.clone(),
        keys: keys.cloned().collect(),
        trusted_proxies: config.trusted_proxies.clone(),
    }));
    Router::new()
        .route(SEEN_TEMPLATE, get(seen))
        .with_state(seer)
}

async fn seen(State(seer): State<Seer>, request: Request) -> Result<Response, Error> {
    let Parts {
        auth,
        keys,
        trusted_proxies,
    } = &*seer.0;
    let (headers, extensions) = (request.headers(), request.extensions());
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    if !token.is_some_and(|token| Token::is_good(token, keys, auth.now())) {
        return Err(Error::NotFound);
    }
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.ok_or(Error::NotFound)?.ip().to_canonical();
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let seen = Seen {
        key_id: auth.key_id().to_owned(),
        client: client_ip(headers, extensions, trusted_proxies),
        peer,
        is_peer_trusted: trusted_proxies.iter().any(|block| block.contains(&peer)),
        forwarded_for: forwarded_for(headers),
        forwarded_proto: text("x-forwarded-proto"),
        host: text("host"),
        origin: text("origin"),
        sec_fetch_site: text("sec-fetch-site"),
        padding: ".".repeat(PADDING),
    };
    Ok(([(header::CACHE_CONTROL, NO_STORE)], Json(seen)).into_response())
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
