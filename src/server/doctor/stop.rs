//! Ctrl-C and SIGTERM during an examination.

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Whether somebody wants the examination to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From now on, the signals are noticed here instead of ending the process.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.send_replace(true);
        });
        Ok(Self(stopped))
    }

    /// Whether it is to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// What `work` returns, unless it is to stop before that.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.0.clone();
        tokio::select! {
            biased;
            Ok(_) = stop.wait_for(|is_requested| *is_requested) => None,
            done = work => Some(done),
        }
    }
}
