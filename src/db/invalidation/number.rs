//! What [`Revocations`](super::Revocations) needs of an atomic number.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

/// A number that threads share, sequentially consistent. Its tests put another one in, whose
/// every interleaving is tried.
pub(crate) trait Number: Debug + Default + Send + Sync + 'static {
    fn get(&self) -> u64;
    fn set(&self, value: u64);
    /// Raises it to `value`, unless it is higher.
    fn raise(&self, value: u64);
    /// Adds one; returns the sum.
    fn increment(&self) -> u64;
}

impl Number for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(SeqCst)
    }

    fn set(&self, value: u64) {
        self.store(value, SeqCst);
    }

    fn raise(&self, value: u64) {
        self.fetch_max(value, SeqCst);
    }

    fn increment(&self) -> u64 {
        self.fetch_add(1, SeqCst) + 1
    }
}
