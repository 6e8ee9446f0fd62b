use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use handstamp::Clock;
use time::OffsetDateTime;

/// The system's clock, which tests move forward or back.
#[derive(Clone, Default)]
pub struct MovableClock(Arc<AtomicI64>);

impl MovableClock {
    pub fn advance(&self, by: Duration) {
        self.put(by.as_secs().try_into().unwrap());
    }

    pub fn set_back(&self, by: Duration) {
        let seconds: i64 = by.as_secs().try_into().unwrap();
        self.put(-seconds);
    }

    fn put(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    #[expect(clippy::disallowed_methods, reason = "it is what this clock moves")]
    pub fn clock(&self) -> Clock {
        let ahead = self.0.clone();
        Clock::from_fn(move || {
            OffsetDateTime::now_utc() + time::Duration::seconds(ahead.load(Ordering::SeqCst))
        })
    }
}
