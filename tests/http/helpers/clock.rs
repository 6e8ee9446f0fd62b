use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use handstamp::Clock;
use time::OffsetDateTime;

/// The system's clock, which tests move forward or back, and may stop.
#[derive(Clone, Default)]
pub struct MovableClock {
    ahead: Arc<AtomicI64>,
    stopped_at: Arc<OnceLock<OffsetDateTime>>,
}

impl MovableClock {
    pub fn advance(&self, by: Duration) {
        self.put(by.as_secs().try_into().unwrap());
    }

    pub fn set_back(&self, by: Duration) {
        let seconds: i64 = by.as_secs().try_into().unwrap();
        self.put(-seconds);
    }

    fn put(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// From now on it moves when it is told to, and not by itself.
    #[expect(clippy::disallowed_methods, reason = "it is what this clock moves")]
    pub fn stop(&self) {
        self.stopped_at.get_or_init(OffsetDateTime::now_utc);
    }

    #[expect(clippy::disallowed_methods, reason = "it is what this clock moves")]
    pub fn clock(&self) -> Clock {
        let Self { ahead, stopped_at } = self.clone();
        Clock::from_fn(move || {
            let moves_from = stopped_at.get().copied();
            let moves_from = moves_from.unwrap_or_else(OffsetDateTime::now_utc);
            moves_from + time::Duration::seconds(ahead.load(Ordering::SeqCst))
        })
    }
}
