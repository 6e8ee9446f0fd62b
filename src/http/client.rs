//! The client of a request: its address, and whether it spoke https.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{Extensions, HeaderMap, header},
};
use ipnet::IpNet;

use super::request_id::current_request_id;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// A longer `User-Agent` is cut.
const USER_AGENT_CHARS: usize = 256;

/// The client of a request, as shown in the list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Client {
    /// Its address; unknown when the app is served without connection info.
    pub ip: Option<IpAddr>,
    /// Its `User-Agent`, cut after 256 characters.
    pub user_agent: Option<String>,
    /// The id of its request, as in the log and the response.
    pub request_id: Option<String>,
}

impl Client {
    /// The client of a request, by `X-Forwarded-For` as far as every proxy that added to it is
    /// trusted.
    pub fn of(headers: &HeaderMap, extensions: &Extensions, trusted_proxies: &[IpNet]) -> Self {
        let user_agent = headers.get(header::USER_AGENT);
        Self {
            ip: client_ip(headers, extensions, trusted_proxies),
            user_agent: user_agent.map(|agent| {
                String::from_utf8_lossy(agent.as_bytes())
                    .chars()
                    .take(USER_AGENT_CHARS)
                    .collect()
            }),
            request_id: current_request_id(),
        }
    }
}

/// The client's address; unknown when the app is served without connection info.
pub fn client_ip(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpNet],
) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| client_address(peer.ip(), headers, trusted_proxies))
}

/// Whether the client spoke https, as a trusted proxy tells; we ourselves speak plain http.
pub fn is_https(headers: &HeaderMap, extensions: &Extensions, trusted_proxies: &[IpNet]) -> bool {
    told_https(headers, extensions, trusted_proxies).unwrap_or(false)
}

/// Whether the client spoke https, if a trusted proxy tells.
pub(super) fn told_https(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted_proxies: &[IpNet],
) -> Option<bool> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>()?;
    if !is_within(peer.ip(), trusted_proxies) {
        return None;
    }
    let proto = hops(headers, FORWARDED_PROTO).next()?;
    Some(proto.trim_ascii().eq_ignore_ascii_case(b"https"))
}

fn is_within(address: IpAddr, blocks: &[IpNet]) -> bool {
    let address = address.to_canonical();
    blocks.iter().any(|block| block.contains(&address))
}

fn client_address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    for hop in hops(headers, FORWARDED_FOR) {
        if !is_within(client, trusted_proxies) {
            break;
        }
        match parse_hop(hop) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// The entries that proxies appended, last first; as bytes, since what a client sent before them
/// need not be text.
fn hops<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let values = headers.get_all(name).iter().rev();
    values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`.
pub fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let address = hop.parse().ok().or_else(with_port);
    address.or_else(|| in_brackets().map(IpAddr::V6))
}

/// Whether no client on the internet can have this address.
#[cfg(feature = "server")]
pub fn is_private(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && second & 0xc0 == 64;
            let is_local = address.is_loopback() || address.is_link_local();
            address.is_private() || is_local || is_shared || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            let is_local = address.is_loopback() || address.is_unicast_link_local();
            address.is_unique_local() || is_local || address.is_unspecified()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

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
        // What the proxy appended counts, whatever it was appended to.
        let forged = [b"203.0.113.66".to_vec(), b"\xff, 198.51.100.1".to_vec()];
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(read(peer, &forged).to_string(), "198.51.100.1");
    }

    #[test]
    fn trusted_proxies_are_looked_through() {
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(seen("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(seen("::1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(seen("::1", &["[192.0.2.1]"]), "::1");
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

    const HOPS: &[&str] = &[
        "198.51.100.1",
        "198.51.100.1:80",
        "203.0.113.66",
        "10.0.0.2",
        "10.0.0.2:8080",
        "::ffff:10.0.0.3",
        "::ffff:198.51.100.7",
        "2001:db8::1",
        "[2001:db8::1]:443",
        "::1",
        "[::1]",
        "unknown",
        "_hidden",
        "\"[2001:db8::1]\"",
        "fe80::1%eth0",
        "",
    ];
    const WORDS: &[&str] = &[
        ",",
        ", ",
        "10.0.0.1",
        "198.51.100.1",
        ":",
        "[",
        "]",
        "::",
        "\t",
    ];

    fn hop() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => prop::sample::select(HOPS).prop_map(str::to_owned),
            1 => any::<IpAddr>().prop_map(|address| address.to_string()),
            1 => any::<SocketAddr>().prop_map(|address| address.to_string()),
        ]
    }

    /// What anybody may have sent.
    fn forwarded() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let value =
            || prop::collection::vec(hop(), 0..4).prop_map(|hops| hops.join(", ").into_bytes());
        let header = prop_oneof![
            2 => value().boxed(),
            2 => spoilt(value(), WORDS).boxed(),
            1 => prop::collection::vec(any::<u8>(), 0..40).boxed(),
        ];
        prop::collection::vec(header, 0..3)
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let known = [
            "10.0.0.1",
            "::1",
            "::ffff:10.1.2.3",
            "198.51.100.1",
            "2001:db8::1",
        ];
        let known =
            prop::sample::select(known.map(|text| text.parse::<IpAddr>().unwrap()).to_vec());
        prop_oneof![known, any::<IpAddr>()]
    }

    fn is_trusted(address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.is_loopback(),
        }
    }

    fn read(peer: IpAddr, values: &[Vec<u8>]) -> IpAddr {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let values = values
            .iter()
            .filter_map(|value| HeaderValue::from_bytes(value).ok());
        let name = header::HeaderName::from_static(FORWARDED_FOR);
        let headers = values.map(|value| (name.clone(), value)).collect();
        client_address(peer, &headers, &trusted)
    }

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_forwarded_address() {
        fuzz(
            "forwarded address",
            || (address(), forwarded()),
            |(peer, values)| {
                let seen = read(peer, &values);
                if !is_trusted(peer) {
                    prop_assert_eq!(seen, peer.to_canonical());
                }
                let hops = values
                    .iter()
                    .flat_map(|value| value.split(|byte| *byte == b','));
                let hops: Vec<_> = hops
                    .filter_map(|hop| std::str::from_utf8(hop).ok())
                    .filter_map(|hop| {
                        let hop = hop.trim();
                        let with_port = || hop.parse().map(|address: SocketAddr| address.ip());
                        let in_brackets =
                            hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
                        let bare = in_brackets.unwrap_or(hop).parse();
                        bare.or_else(|_| with_port()).ok()
                    })
                    .map(|address: IpAddr| address.to_canonical())
                    .collect();
                prop_assert!(
                    seen == peer.to_canonical() || hops.contains(&seen),
                    "{}",
                    seen
                );
                Ok(())
            },
        );
    }

    /// Whatever a client sends, each trusted proxy then appends the address of its caller, to the
    /// last header or in one of its own.
    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_forged_address() {
        let client = address().prop_filter("a client is no proxy", |client| !is_trusted(*client));
        let proxies =
            prop::collection::vec(address().prop_filter("trusted", |a| is_trusted(*a)), 1..4);
        let chain = (client, proxies, any::<bool>(), forwarded());
        let strategy = chain.boxed();
        fuzz(
            "forged address",
            || strategy.clone(),
            |(client, proxies, own_header, mut values)| {
                let mut path = vec![client];
                path.extend(&proxies);
                let peer = path.pop().unwrap_or(client);
                for hop in path {
                    match values.last_mut() {
                        Some(last) if !own_header => last.extend(format!(", {hop}").into_bytes()),
                        _ => values.push(hop.to_string().into_bytes()),
                    }
                }
                // A proxy refuses what is no header at all, or passes on what is.
                prop_assume!(
                    values
                        .iter()
                        .all(|value| HeaderValue::from_bytes(value).is_ok())
                );
                prop_assert_eq!(read(peer, &values), client.to_canonical());
                Ok(())
            },
        );
    }
}
