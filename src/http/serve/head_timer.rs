//! The timer of a connection's deadlines, cheap to set anew for each request.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// One timer of the runtime's for all deadlines of a connection: it wakes up when the first is
/// due and sleeps on if that was met long since. hyper's own would be set and taken back in the
/// runtime's list with each request.
#[derive(Clone, Debug)]
pub(crate) struct HeadTimer(Arc<Mutex<Pin<Box<time::Sleep>>>>);

impl HeadTimer {
    pub fn new() -> Self {
        let due = time::sleep_until(time::Instant::now());
        Self(Arc::new(Mutex::new(Box::pin(due))))
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let timer = self.clone();
        Box::pin(HeadSleep { timer, deadline })
    }
}

struct HeadSleep {
    timer: HeadTimer,
    deadline: Instant,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.deadline.into());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_that_was_met_does_not_end_the_next_one_early() {
        let timer = HeadTimer::new();
        let start = Instant::now();
        let soon = Timer::sleep_until(&timer, start + Duration::from_millis(20));
        // Met before its time, as by a request that came.
        assert!(tokio::time::timeout(Duration::ZERO, soon).await.is_err());
        let later = start + Duration::from_millis(80);
        Timer::sleep_until(&timer, later).await;
        assert!(Instant::now() >= later);
    }
}
