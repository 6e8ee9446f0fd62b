//! How many sessions are logged in, counted in the database now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{IntGauge, Registry};
use tokio::{sync::Mutex, time::timeout};

use crate::auth::Auth;

/// The count is no older than this when it is scraped often.
const INTERVAL: Duration = Duration::from_secs(5);
/// A count of many sessions takes its time, and at most a twentieth of one connection: with
/// [`MAX_WAIT`], it is counted once a minute at least.
const RESTS: u32 = 20;
/// A scrape waits no longer for a count, which goes on.
const PATIENCE: Duration = Duration::from_secs(2);
/// A count that takes longer is given up: the database is frozen, say.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The gauge of logged-in sessions. While they cannot be counted it keeps the last count, and
/// before the first one it is not there.
#[derive(Debug)]
pub(super) struct LiveSessions {
    gauge: IntGauge,
    registry: Registry,
    counting: Arc<Mutex<Counting>>,
}

/// Locked while somebody counts.
#[derive(Debug, Default)]
struct Counting {
    /// When to count again.
    due: Option<Instant>,
    is_registered: bool,
}

impl LiveSessions {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            gauge: IntGauge::new(
                "handstamp_sessions_live",
                "Logged-in sessions in the database.",
            )?,
            registry: registry.clone(),
            counting: Arc::default(),
        })
    }

    /// Counts again, if that is due and nobody does so.
    pub async fn refresh(&self, auth: &Auth) {
        let Ok(mut counting) = self.counting.clone().try_lock_owned() else {
            return;
        };
        let start = Instant::now();
        if counting.due.is_some_and(|due| start < due) {
            return;
        }
        let (gauge, registry, auth) = (self.gauge.clone(), self.registry.clone(), auth.clone());
        // A task of its own: a scrape that is cut off, or has no more patience, stops no count.
        let count = tokio::spawn(async move {
            let counted = timeout(MAX_WAIT, auth.count_live_sessions()).await;
            let mut rest = INTERVAL;
            match counted {
                Ok(Ok(count)) => {
                    rest = rest.max(start.elapsed() * RESTS);
                    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
                    counting.is_registered =
                        counting.is_registered || registry.register(Box::new(gauge)).is_ok();
                }
                Ok(Err(error)) => tracing::debug!(%error, "live sessions could not be counted"),
                Err(_) => tracing::debug!("live sessions could not be counted in time"),
            }
            counting.due = Some(Instant::now() + rest);
        });
        let _ = timeout(PATIENCE, count).await;
    }
}
