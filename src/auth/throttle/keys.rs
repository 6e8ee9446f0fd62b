//! The keys under which attempts are counted.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use sha2::{Digest, Sha256};

use super::Mails;
use crate::auth::user::{email::Email, username::Username};

/// A client that has one address of a /64 has all of them.
const IPV6_PREFIX: u8 = 64;

/// The key of a name's count. A digest, since what is typed as a name may be a password, and
/// may be long.
pub(super) fn account_key(name: &str) -> String {
    // No account has a name that long, so it need not be normalized.
    let digest = if Username::is_too_long(name) {
        Sha256::digest(name)
    } else {
        Sha256::digest(Username::key_of(name))
    };
    format!("log-in of {:032x}", shortened(&digest))
}

/// The first half of a SHA-256.
fn shortened(digest: &[u8]) -> u128 {
    digest
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The key of the mails to an address. A digest, as the counts are of people who may never have heard
/// of us.
pub(super) fn mail_key(mails: Mails, email: &Email) -> String {
    let (mails, kind) = match mails {
        Mails::OfAnybody => ("mail", ""),
        Mails::OfItsUser => ("own mail", ""),
        Mails::Notices(kind) => ("notice", kind),
    };
    let of = if kind.is_empty() { "" } else { " of " };
    format!(
        "{mails}{of}{kind} to {:032x}",
        shortened(&Sha256::digest(email.key()))
    )
}

/// The address, or for IPv6 its /64.
pub(crate) fn network(ip: IpAddr) -> IpNet {
    let ip = ip.to_canonical();
    match ip {
        IpAddr::V6(v6) => Ipv6Net::new(v6, IPV6_PREFIX).map(|net| IpNet::V6(net.trunc())),
        IpAddr::V4(_) => Ok(ip.into()),
    }
    .unwrap_or(ip.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_64() {
        let network = |ip: &str| network(ip.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn names_that_are_the_same_are_counted_together() {
        assert_eq!(account_key("JACKSON"), account_key("jackson"));
        assert_ne!(account_key("jackson"), account_key("jacksen"));
        assert_eq!(account_key(&"x".repeat(60_000)).len(), 42);
    }

    #[test]
    fn what_is_too_long_for_a_name_is_not_composed() {
        assert_eq!(account_key(&"X".repeat(512)), account_key(&"x".repeat(512)));
        assert_ne!(account_key(&"X".repeat(513)), account_key(&"x".repeat(513)));
    }
}
