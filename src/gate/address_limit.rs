//! A rate limit per client address, for an app's own routes.

use std::net::IpAddr;

use super::{
    counted::{Counted, Scope},
    state::Gate,
    throttle::{Attempt, network},
};
use crate::{config::RateLimit, http::Error};

/// So many requests from each client address in so long, counted in the database: exactly, also
/// of parallel requests and by several servers. Cheap to clone.
///
/// An IPv6 /64 counts as one address, and so do all clients whose address is unknown because the
/// app is served without connection info.
#[derive(Clone, Debug)]
pub struct AddressLimit {
    gate: Gate,
    purpose: &'static str,
    limit: RateLimit,
}

impl AddressLimit {
    /// A limit of requests for one purpose, which names its counts in the database.
    pub fn new(gate: &Gate, purpose: &'static str, limit: RateLimit) -> Self {
        Self {
            gate: gate.clone(),
            purpose,
            limit,
        }
    }

    /// Looks whether a request would be past the limit; counts and writes nothing.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it would be.
    pub async fn check(&self, ip: Option<IpAddr>) -> Result<(), Error> {
        let mut attempt = self.attempt(ip);
        attempt.check(self.gate.db(), self.gate.now()).await
    }

    /// Counts a request. One that is past the limit writes nothing.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it is past the limit.
    pub async fn count(&self, ip: Option<IpAddr>) -> Result<(), Error> {
        let (db, now) = (self.gate.db(), self.gate.now());
        let mut attempt = self.attempt(ip);
        attempt.check(db, now).await?;
        attempt.count(db, now).await.map(drop)
    }

    fn attempt(&self, ip: Option<IpAddr>) -> Attempt {
        let from = ip.map_or_else(|| "anywhere".to_owned(), |ip| network(ip).to_string());
        let key = format!("{} from {from}", self.purpose);
        Attempt::new(vec![Counted::new(key, self.limit, Scope::Address)])
    }
}
