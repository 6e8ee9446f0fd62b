//! Proxies whose `X-Forwarded-*` headers are trusted.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::server::settings::Environment;

/// Before an IPv4 address that is written as one of IPv6 (`::ffff:10.0.0.7`).
const MAPPED_PREFIX: u8 = 96;
/// The widest networks that somebody's proxies can have to themselves: `10.0.0.0/8` (RFC 1918)
/// and `fc00::/7` (RFC 4193).
const WIDEST_V4: u8 = 8;
const WIDEST_V6: u8 = 7;

/// An address (`10.0.0.7`) or a block of them (`10.0.0.0/8`). In production none so wide that
/// it holds strangers, who could then choose the address that limits count.
pub(crate) fn trusted_proxy(text: &str, environment: Environment) -> Result<IpNet, String> {
    let block = block(text)
        .ok_or_else(|| format!("must be an address or a CIDR block (it is {text:?})"))?;
    if environment == Environment::Production && is_too_wide(&block) {
        return Err(format!(
            "must not hold everybody, who could then choose their own address (it is {text:?})"
        ));
    }
    Ok(block)
}

/// Whether a block holds more than a network of one's own.
pub fn is_too_wide(block: &IpNet) -> bool {
    let widest = match block {
        IpNet::V4(_) => WIDEST_V4,
        IpNet::V6(_) => WIDEST_V6,
    };
    block.prefix_len() < widest
}

/// A block as addresses are compared: those of IPv4 as such, however they are written.
fn block(text: &str) -> Option<IpNet> {
    let block = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()?;
    let IpNet::V6(v6) = block else {
        return Some(block);
    };
    match (
        v6.addr().to_ipv4_mapped(),
        v6.prefix_len().checked_sub(MAPPED_PREFIX),
    ) {
        (Some(address), Some(prefix)) => Ipv4Net::new(address, prefix).map(IpNet::V4).ok(),
        _ => Some(block),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        block(text).unwrap().to_string()
    }

    #[test]
    fn ipv4_is_ipv4_however_it_is_written() {
        assert_eq!(read("::ffff:10.0.0.0/104"), "10.0.0.0/8");
        assert_eq!(read("::ffff:10.0.0.7"), "10.0.0.7/32");
        assert_eq!(read("::ffff:0:0/96"), "0.0.0.0/0");
        assert_eq!(read("10.0.0.7"), "10.0.0.7/32");
        assert_eq!(read("2001:db8::/32"), "2001:db8::/32");
        assert_eq!(read("::1"), "::1/128");
        for text in ["", "everybody", "10.0.0.0/33", "::1/129", "[::1]"] {
            assert_eq!(block(text), None, "{text}");
        }
    }

    #[test]
    fn in_production_nobody_trusts_everybody() {
        for everybody in [
            "0.0.0.0/0",
            "::/0",
            "::ffff:0:0/96",
            "128.0.0.0/1",
            "2000::/3",
        ] {
            assert!(trusted_proxy(everybody, Environment::Development).is_ok());
            let said = trusted_proxy(everybody, Environment::Production).unwrap_err();
            assert!(said.contains(everybody), "{said}");
        }
        for own in ["10.0.0.0/8", "fc00::/7", "::ffff:10.0.0.0/104", "127.0.0.1"] {
            assert!(trusted_proxy(own, Environment::Production).is_ok(), "{own}");
        }
    }
}
