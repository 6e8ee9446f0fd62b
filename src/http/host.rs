//! The `Host` of a request: which host the client wants to speak to.

use std::net::Ipv6Addr;

use axum::{
    extract::Request,
    http::{HeaderMap, Version, header},
};

/// Whether a request names its host as RFC 9112, 3.2 requires: exactly once and well-formed.
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
    let length = match value {
        [b'[', literal @ ..] => ip_literal(literal).map(|length| 1 + length),
        _ => name(value),
    };
    match length.map(|length| &value[length..]) {
        None => false,
        Some([]) => true,
        Some([colon, port @ ..]) => *colon == b':' && port.iter().all(u8::is_ascii_digit),
    }
}

/// The length of the name that a text begins with, if it does.
fn name(text: &[u8]) -> Option<usize> {
    let mut length = 0;
    while let Some(byte) = text.get(length) {
        length += match byte {
            byte if IN_NAMES[usize::from(*byte)] => 1,
            b'%' if text
                .get(length + 1..length + 3)?
                .iter()
                .all(u8::is_ascii_hexdigit) =>
            {
                3
            }
            _ => break,
        };
    }
    (length > 0).then_some(length)
}

/// The length of the address that a text begins with up to its closing bracket, if it does.
fn ip_literal(text: &[u8]) -> Option<usize> {
    let length = text.iter().position(|byte| *byte == b']')?;
    let literal = &text[..length];
    let is_literal = match literal {
        [b'v' | b'V', future @ ..] => future
            .iter()
            .all(|byte| IN_NAMES[usize::from(*byte)] || *byte == b':'),
        _ => std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    };
    is_literal.then_some(length + 1)
}

/// The bytes of a name that need no escape, `unreserved` and `sub-delims`. Every request's host is
/// checked, and a table takes half as long as comparisons.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = matches!(
            byte,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~'
                | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
        );
        byte += 1;
    }
    table
};

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
