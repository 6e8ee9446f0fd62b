//! Limits that both drivers share.

use std::time::Duration;

/// How long a request waits for a free connection before the database counts as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
