//! The `Host` of a request: which host the client wants to speak to.

use axum::{
    extract::Request,
    http::{HeaderMap, Version, header},
};

/// Whether a request names its host as RFC 9112, 3.2 has it: exactly once and well-formed.
/// HTTP/1.0 may leave it out, and so may HTTP/2, which has `:authority`.
pub(super) fn names_host(request: &Request) -> bool {
    names_host_in(request.headers(), request.version())
}

fn names_host_in(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => version != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// `uri-host [":" port]` of RFC 3986, 3.2.2, with a host that is not empty, as http's must be.
fn is_host(value: &[u8]) -> bool {
    let (host_ends_at, is_host) = match value.strip_prefix(b"[") {
        Some(literal) => {
            let length = literal.iter().position(|byte| *byte == b']');
            let length = length.unwrap_or(literal.len());
            (length + 2, is_ip_literal(&literal[..length]))
        }
        None => {
            let length = value.iter().position(|byte| *byte == b':');
            let length = length.unwrap_or(value.len());
            (length, is_name(&value[..length]))
        }
    };
    let Some(rest) = value.get(host_ends_at..) else {
        return false;
    };
    let is_port = match rest.split_first() {
        None => true,
        Some((colon, port)) => *colon == b':' && port.iter().all(u8::is_ascii_digit),
    };
    is_host && is_port
}

fn is_ip_literal(literal: &[u8]) -> bool {
    let is_future = literal
        .first()
        .is_some_and(|byte| byte.eq_ignore_ascii_case(&b'v'));
    if is_future {
        return literal[1..]
            .iter()
            .all(|byte| is_unreserved(*byte) || is_sub_delimiter(*byte) || *byte == b':');
    }
    std::str::from_utf8(literal).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((byte, after)) = rest.split_first() {
        rest = match byte {
            b'%' => match after {
                [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    after
                }
                _ => return false,
            },
            byte if is_unreserved(*byte) || is_sub_delimiter(*byte) => after,
            _ => return false,
        };
    }
    !name.is_empty()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn is_sub_delimiter(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_told_from_other_texts() {
        for host in [
            "example.com",
            "EXAMPLE.com:443",
            "127.0.0.1:5000",
            "localhost:",
            "[::1]",
            "[2001:db8::1]:80",
            "[v1.fe80::a+en1]",
            "my_service",
            "xn--exmple-cua.com",
            "ex%41mple.com",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for text in [
            "",
            ":80",
            "a b",
            "a@b",
            "user:secret@b",
            "http://a",
            "a/b",
            "a?b",
            "a#b",
            "a:b",
            "a:80:80",
            "a,b/c",
            "<script>",
            "é",
            "[::1",
            "[]",
            "[::1]x",
            "[fe80::1%eth0]",
            "::1",
            "a%4",
            "a%zz",
            "a\\b",
        ] {
            assert!(!is_host(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn exactly_one_is_wanted_of_http_1_1() {
        let headers = |hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            headers
        };
        for (hosts, version, is_good) in [
            (&["a.example"][..], Version::HTTP_11, true),
            (&["a.example"], Version::HTTP_10, true),
            (&["a b"], Version::HTTP_10, false),
            (&[], Version::HTTP_11, false),
            (&[], Version::HTTP_10, true),
            (&[], Version::HTTP_2, true),
            (&["a.example", "a.example"], Version::HTTP_11, false),
            (&["a.example", "b.example"], Version::HTTP_10, false),
        ] {
            let named = names_host_in(&headers(hosts), version);
            assert_eq!(named, is_good, "{hosts:?} {version:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_as_the_http_library_does(text in "[ -~]{0,24}") {
            // It lets user information and longer ports pass, and an address in brackets be any.
            if is_host(text.as_bytes()) && !text.contains(['%', '[']) {
                let authority = text.parse::<axum::http::uri::Authority>();
                prop_assert!(authority.is_ok(), "{}", text);
            }
        }

        #[test]
        fn addresses_with_and_without_a_port_are_hosts(
            address in any::<std::net::IpAddr>(),
            port in any::<u16>(),
        ) {
            let host = match address {
                std::net::IpAddr::V4(address) => address.to_string(),
                std::net::IpAddr::V6(address) => format!("[{address}]"),
            };
            prop_assert!(is_host(host.as_bytes()));
            let with_port = format!("{host}:{port}");
            prop_assert!(is_host(with_port.as_bytes()));
        }
    }
}
