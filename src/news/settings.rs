//! The settings of the news.

use std::time::Duration;

use crate::auth::RateLimit;

/// The limits for visitors.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Different posts that a visitor may open; none when reading is free.
    pub free_reads: Option<u32>,
    /// A visitor's read is forgotten after this long.
    pub free_reads_window: Duration,
    /// Posts opened without a session, per address; none when they are not counted.
    pub free_reads_per_address: Option<RateLimit>,
}
