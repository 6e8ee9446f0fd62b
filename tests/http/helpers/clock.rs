use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use handstamp::Clock;
use time::OffsetDateTime;

/// The system's clock, put forward.
#[derive(Clone, Default)]
pub struct MovableClock(Arc<AtomicU64>);

impl MovableClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let ahead = self.0.clone();
        Clock::from_fn(move || {
            OffsetDateTime::now_utc() + Duration::from_secs(ahead.load(Ordering::SeqCst))
        })
    }
}
