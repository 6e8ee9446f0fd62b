//! The timer of a connection's deadlines, cheap to reset for each request.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use tokio::time;

/// One timer of the runtime for all deadlines of a connection: it wakes up when the first is due,
/// and sleeps on if that one was met. hyper's own would be registered with the runtime, and removed
/// again, for each request.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    sleep: Mutex<Pin<Box<time::Sleep>>>,
    created: Instant,
    /// When the wait for a request's head began, in milliseconds after `created` plus one; zero
    /// while a request is handled.
    waiting_since: AtomicU64,
    is_ended: AtomicBool,
}

impl HeadTimer {
    pub fn new() -> Self {
        let due = time::sleep_until(time::Instant::now());
        Self(Arc::new(Parts {
            sleep: Mutex::new(Box::pin(due)),
            created: Instant::now(),
            waiting_since: AtomicU64::new(1),
            is_ended: AtomicBool::new(false),
        }))
    }

    /// Notes that a request has come and is handled.
    pub fn note_request(&self) {
        self.0.waiting_since.store(0, Ordering::Relaxed);
    }

    /// How long a request's head has been waited for; none while a request is handled, or where
    /// the waiting is ended already.
    pub fn waiting_for(&self) -> Option<Duration> {
        let since = self.0.waiting_since.load(Ordering::Relaxed);
        let is_waiting = since > 0 && !self.0.is_ended.load(Ordering::Relaxed);
        let since = Duration::from_millis(since.saturating_sub(1));
        is_waiting.then(|| self.0.created.elapsed().saturating_sub(since))
    }

    /// Ends the wait for a request's head as if its time were up: the connection is closed,
    /// after the response where a request has come meanwhile.
    pub fn end(&self) {
        self.0.is_ended.store(true, Ordering::Relaxed);
        self.lock().as_mut().reset(time::Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Pin<Box<time::Sleep>>> {
        self.0.sleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let since = self.0.created.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1);
        self.0.waiting_since.store(since, Ordering::Relaxed);
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
        let mut sleep = self.timer.lock();
        // Under the lock, so that an end from now on wakes us up.
        if self.timer.0.is_ended.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
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
#[expect(clippy::unwrap_used, reason = "a test may panic")]
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

    #[tokio::test]
    async fn a_wait_can_be_ended_but_not_a_request() {
        let timer = HeadTimer::new();
        let head = tokio::spawn(Timer::sleep(&timer, Duration::from_secs(60)));
        tokio::task::yield_now().await;
        assert!(timer.waiting_for().is_some());
        timer.end();
        head.await.unwrap();
        assert_eq!(timer.waiting_for(), None);

        let timer = HeadTimer::new();
        timer.note_request();
        assert_eq!(timer.waiting_for(), None);
    }
}
