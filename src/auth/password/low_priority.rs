//! Long work on threads of low priority.

use std::thread;

use tokio::sync::oneshot;

use super::fair_queue::busy;
use crate::http::Error;

/// At niceness 15 a thread gets a thirtieth of a core that others could take whole, and all of an
/// idle one: in a login storm, requests of users who are logged in keep 0.9 of their throughput
/// rather than 0.4.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

/// Runs `work` on a thread of its own, which is cheap compared with a password hash. The number
/// of threads is not bounded here.
///
/// # Errors
/// [`Error::Busy`] when no thread can be started, [`Error::Internal`] when `work` panics.
pub(crate) async fn at_low_priority<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (done, answer) = oneshot::channel();
    let thread = thread::Builder::new().name("low-priority".into());
    let started = thread.spawn(move || {
        give_way();
        // The client may have disconnected.
        let _ = done.send(work());
    });
    started.map_err(|error| {
        tracing::warn!(%error, "no thread for work at low priority");
        busy()
    })?;
    answer.await.map_err(Error::internal)
}

/// On Linux each thread has its own niceness; elsewhere it is the whole process's.
#[cfg(target_os = "linux")]
fn give_way() {
    // It works at normal priority as well.
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
        assert!(matches!(done, Err(Error::Internal(_))), "{done:?}");
    }
}
