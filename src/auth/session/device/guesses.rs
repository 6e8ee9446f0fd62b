//! Refreshes that come without the cookie of their session. Browsers send it, so that few come without;
//! each asks the database for an id that anybody can make up.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use quick_cache::sync::Cache;

use crate::{auth::throttle::network, clock::Timestamp, http::Error};

/// From one network, in this process.
const LIMIT: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10 * 60);
const NETWORKS: usize = 4_096;

/// How many came lately from which network.
#[derive(Debug)]
pub(super) struct Guesses(Cache<IpNet, (u32, Timestamp)>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Cache::new(NETWORKS))
    }
}

impl Guesses {
    /// Counts one.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], which leaves the browser's session as it is.
    pub fn count(&self, ip: Option<IpAddr>, now: Timestamp) -> Result<(), Error> {
        let Some(network) = ip.map(network) else {
            return Ok(());
        };
        let (count, since) = match self.0.get(&network) {
            Some((count, since)) if since <= now && now.since(since) < WINDOW => (count, since),
            _ => (0, now),
        };
        if count >= LIMIT {
            return Err(Error::TooManyAttempts {
                retry_after: WINDOW.saturating_sub(now.since(since)),
            });
        }
        self.0.insert(network, (count + 1, since));
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_so_many_in_a_window() {
        let guesses = Guesses::default();
        let [one, same, other] =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|ip| ip.parse().ok());
        let start = Timestamp::from_unix_micros(1_700_000_000_000_000);
        for _ in 0..LIMIT {
            guesses.count(one, start).unwrap();
        }
        let later = start.after(WINDOW / 2);
        let refused = guesses.count(same, later);
        assert!(
            matches!(refused, Err(Error::TooManyAttempts { retry_after }) if retry_after == WINDOW / 2)
        );
        guesses.count(other, later).unwrap();
        guesses.count(one, start.after(WINDOW)).unwrap();
        // One that was counted before the clock was set back does not count for long.
        guesses.count(other, start).unwrap();
    }
}
