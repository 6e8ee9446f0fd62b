//! A rate limit per client address, for an app's own routes.

use std::net::IpAddr;

use super::{
    Attempt, RateLimit,
    counter::{Counted, Scope},
    network,
};
use crate::{clock::Clock, db::Db, http::Error};

/// A rate limit per client address, counted in the database: exactly, also for parallel requests
/// and on several nodes. Cheap to clone.
///
/// An IPv6 /64 counts as one address, and so do all clients whose address is unknown because the
/// app is served without connection info.
#[derive(Clone, Debug)]
pub struct AddressLimit {
    db: Db,
    clock: Clock,
    purpose: &'static str,
    limit: RateLimit,
}

impl AddressLimit {
    pub(crate) fn new(db: &Db, clock: &Clock, purpose: &'static str, limit: RateLimit) -> Self {
        Self {
            db: db.clone(),
            clock: clock.clone(),
            purpose,
            limit,
        }
    }

    /// Checks whether a request would be past the limit, without counting it.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it would be.
    pub async fn check(&self, ip: Option<IpAddr>) -> Result<(), Error> {
        let mut attempt = self.attempt(ip);
        attempt.check(&self.db, self.clock.now()).await
    }

    /// Counts a request. One that is past the limit writes nothing.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] when it is past the limit.
    pub async fn count(&self, ip: Option<IpAddr>) -> Result<(), Error> {
        let (db, now) = (&self.db, self.clock.now());
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
