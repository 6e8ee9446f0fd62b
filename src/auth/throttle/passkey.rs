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

/// Where failed logins have no limit.
const LIMIT: RateLimit = RateLimit {
    count: 50,
    window: Duration::from_secs(15 * 60),
};

impl Throttle {
    /// A challenge for a browser on which nobody is logged in.
    pub fn passkey_challenge(&self, ip: Option<IpAddr>) -> Attempt {
        let limit = self.per_address.unwrap_or(LIMIT);
        let counted = ip.map(|ip| {
            let key = format!("passkey challenge for {}", network(ip));
            let count = limit.count.saturating_mul(CHALLENGES_PER_FAILURE);
            Counted::new(key, RateLimit { count, ..limit }, Scope::Address)
        });
        Attempt::new(counted.into_iter().collect())
    }
}
