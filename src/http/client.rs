//! Who is at the other end of the connection.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use ipnet::IpNet;
use tower_http::request_id::RequestId;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// As much of a User-Agent as anybody reads.
const USER_AGENT_CHARS: usize = 256;

/// The client of a request, as shown in the list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address; unknown when the app is served without connection info.
    pub ip: Option<IpAddr>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// What the log and the answer call its request.
    pub request_id: Option<String>,
}

impl Client {
    /// The client that sent `request`, believing `X-Forwarded-For` as far as every proxy
    /// that added to it is trusted.
    pub fn of(request: &Parts, trusted_proxies: &[IpNet]) -> Self {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = request.headers.get(header::USER_AGENT);
        Self {
            ip: peer.map(|peer| client_address(peer.ip(), &request.headers, trusted_proxies)),
            user_agent: user_agent.map(|agent| {
                String::from_utf8_lossy(agent.as_bytes())
                    .chars()
                    .take(USER_AGENT_CHARS)
                    .collect()
            }),
            request_id: request
                .extensions
                .get::<RequestId>()
                .and_then(|id| id.header_value().to_str().ok())
                .map(str::to_owned),
        }
    }
}

/// Whether the client spoke https, as a trusted proxy tells; we ourselves speak plain http.
pub fn is_https(request: &Parts, trusted_proxies: &[IpNet]) -> bool {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    let is_trusted = peer.is_some_and(|peer| is_within(peer.ip(), trusted_proxies));
    let proto = request.headers.get_all(FORWARDED_PROTO).iter().next_back();
    let proto = proto.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    is_trusted && proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
}

fn is_within(address: IpAddr, blocks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    blocks.iter().any(|block| block.contains(&address))
}

fn client_address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    // Each proxy appends the address it was called from, so the list is read backwards.
    let hops = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .rev()
        .filter_map(|value| value.to_str().ok());
    for hop in hops.flat_map(|value| value.rsplit(',')) {
        if !is_within(client, trusted_proxies) {
            break;
        }
        match parse_hop(hop.trim()) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]:80`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    hop.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_chooses_their_own_address() {
        assert_eq!(seen("192.0.2.9", &["198.51.100.1"]), "192.0.2.9");
        assert_eq!(
            seen("10.0.0.1", &["203.0.113.66, 198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            seen("10.0.0.1", &["203.0.113.66", "198.51.100.1"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn trusted_proxies_are_looked_through() {
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(seen("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(
            seen("::ffff:10.0.0.1", &["198.51.100.1:80"]),
            "198.51.100.1"
        );
        assert_eq!(seen("10.0.0.1", &["nonsense, 10.0.0.3"]), "10.0.0.3");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn no_header_from_an_untrusted_peer_changes_the_address(value in "[ -~]{0,80}") {
            prop_assert_eq!(seen("192.0.2.9", &[&value]), "192.0.2.9");
        }
    }
}
