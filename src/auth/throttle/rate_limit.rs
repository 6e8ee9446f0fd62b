//! A rate limit.

use std::time::Duration;

/// At most so many attempts within a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Attempts; at least one.
    pub count: u32,
    /// The time within which they are counted.
    pub window: Duration,
}

impl RateLimit {
    /// A limit of `count` attempts within `window`; both count as at least one, of anything.
    pub fn new(count: u32, window: Duration) -> Self {
        Self {
            count: count.max(1),
            window: window.max(Duration::from_secs(1)),
        }
    }
}
