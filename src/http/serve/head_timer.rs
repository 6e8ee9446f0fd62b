//! The deadline of a connection's next request, which can be brought forward.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use atomic_waker::AtomicWaker;
use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;
use tokio::time;

/// tokio's timer, which also tells how long a connection has waited for a request and can end
/// that wait, to make room for another connection.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    created: Instant,
    /// When the wait for a request's head began, in milliseconds after `created` plus one; zero
    /// while a request is handled.
    waiting_since: AtomicU64,
    is_ended: AtomicBool,
    /// Of the connection, which has one wait at a time.
    waiting: AtomicWaker,
}

impl HeadTimer {
    pub fn new() -> Self {
        Self(Arc::new(Parts {
            created: Instant::now(),
            waiting_since: AtomicU64::new(1),
            is_ended: AtomicBool::new(false),
            waiting: AtomicWaker::new(),
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
        self.0.waiting.wake();
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
        Box::pin(HeadSleep {
            timer: self.clone(),
            sleep: time::sleep_until(deadline.into()),
        })
    }
}

pin_project! {
    struct HeadSleep {
        timer: HeadTimer,
        #[pin]
        sleep: time::Sleep,
    }
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let Parts {
            is_ended, waiting, ..
        } = &*this.timer.0;
        // Before the check, so that an end from now on wakes it up.
        waiting.register(cx.waker());
        if is_ended.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        this.sleep.poll(cx)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

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
