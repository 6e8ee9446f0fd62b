//! A rate limit.

use std::time::Duration;

/// A number of attempts within a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimit {
    /// Attempts; at least one.
    pub count: u32,
    /// The window.
    pub window: Duration,
}

impl RateLimit {
    /// At most `count` attempts within `window`, but at least one attempt and one second.
    pub fn new(count: u32, window: Duration) -> Self {
        Self {
            count: count.max(1),
            window: window.max(Duration::from_secs(1)),
        }
    }
}
