//! Work that takes long, on threads that give way.

use std::thread;

use tokio::sync::oneshot;

use super::fair_queue::busy;
use crate::http::Error;

/// With fifteen, a thread gets a thirtieth of a core that others would take whole, and all of
/// one that nobody wants.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// Runs `work` on a thread of its own, which costs nothing beside a password hash. Nothing
/// bounds how many there are.
///
/// # Errors
/// [`Error::Busy`] when there can be no more threads now, [`Error::Internal`] when `work` panics.
pub(super) async fn at_low_priority<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (done, answer) = oneshot::channel();
    let thread = thread::Builder::new().name("low-priority".into());
    let started = thread.spawn(move || {
        give_way();
        // Who asked may have hung up.
        let _ = done.send(work());
    });
    started.map_err(|error| {
        tracing::warn!(%error, "no thread for work at low priority");
        busy()
    })?;
    answer.await.map_err(Error::internal)
}

/// On Linux a thread has a niceness of its own; elsewhere the whole process would give way.
#[cfg(target_os = "linux")]
fn give_way() {
    // At everybody's priority it works as well.
    let _ = rustix::process::nice(NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_work_gives_way_and_nobody_else_does() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let during = at_low_priority(niceness).await.unwrap();
        assert_eq!(during, (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        let done = at_low_priority(|| assert_eq!(1, 2, "by the test")).await;
        assert!(matches!(done, Err(Error::Internal)), "{done:?}");
    }
}
