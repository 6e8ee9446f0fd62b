//! The mails that wait to be sent, counted in the database at each scrape.

use std::time::Duration;

use prometheus::{Gauge, IntGauge, Registry};
use tokio::time::timeout;

use crate::auth::Auth;

/// A scrape waits no longer for the count.
const PATIENCE: Duration = Duration::from_secs(1);

/// The gauges of the outbox. While it cannot be read they keep what they were.
#[derive(Debug)]
pub(super) struct OutboxGauges {
    mails: IntGauge,
    oldest: Gauge,
}

impl OutboxGauges {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let mails = IntGauge::new("handstamp_outbox_mails", "Mails that wait to be sent.")?;
        let oldest = Gauge::new(
            "handstamp_outbox_oldest_seconds",
            "For how long the oldest mail has waited to be sent.",
        )?;
        registry.register(Box::new(mails.clone()))?;
        registry.register(Box::new(oldest.clone()))?;
        Ok(Self { mails, oldest })
    }

    pub async fn refresh(&self, auth: &Auth) {
        match timeout(PATIENCE, auth.waiting_mails()).await {
            Ok(Ok(Some(waiting))) => {
                self.mails
                    .set(i64::try_from(waiting.count).unwrap_or(i64::MAX));
                self.oldest.set(waiting.oldest.as_secs_f64());
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the outbox could not be counted"),
            Err(_) => tracing::debug!("the outbox could not be counted in time"),
        }
    }
}
