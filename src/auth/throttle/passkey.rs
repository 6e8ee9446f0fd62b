//! The limit of challenges for passkeys, each of which is stored.

use std::{net::IpAddr, time::Duration};

use super::{
    Attempt, RateLimit, Throttle,
    counter::{Counted, Scope},
    network,
};

/// Challenges for each login that may fail: pages ask for one before anybody wants to log in, and many
/// people may share an address.
const CHALLENGES_PER_FAILURE: u32 = 20;

/// All clients whose addresses are not known count as one, and may have as many as this many addresses.
const UNKNOWN_ADDRESSES: u32 = 20;

/// Where failed logins have no limit.
const LIMIT: RateLimit = RateLimit {
    count: 50,
    window: Duration::from_secs(15 * 60),
};

impl Throttle {
    /// A challenge for a browser on which nobody is logged in.
    pub fn passkey_challenge(&self, ip: Option<IpAddr>) -> Attempt {
        let limit = self.per_address.unwrap_or(LIMIT);
        let count = limit.count.saturating_mul(CHALLENGES_PER_FAILURE);
        let (of, count) = match ip {
            Some(ip) => (network(ip).to_string(), count),
            None => (
                "unknown addresses".to_owned(),
                count.saturating_mul(UNKNOWN_ADDRESSES),
            ),
        };
        let key = format!("passkey challenge for {of}");
        let limit = RateLimit { count, ..limit };
        Attempt::new(vec![Counted::new(key, limit, Scope::Address)])
    }
}
