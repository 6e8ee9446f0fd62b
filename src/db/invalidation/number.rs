//! The atomic number behind [`Revocations`](super::Revocations).

use std::{fmt::Debug, sync::atomic::AtomicU64};

/// A sequentially consistent number that threads share. A trait, so that tests can replace it by
/// loom's, which tries every interleaving.
pub(crate) trait Number: Debug + Default + Send + Sync + 'static {
    fn get(&self) -> u64;
    fn set(&self, value: u64);
    /// Raises it to `value`, unless it is higher.
    fn raise(&self, value: u64);
    /// Adds one; returns the sum.
    fn increment(&self) -> u64;
}

/// Implements [`Number`] for the standard library's atomic, and for loom's.
macro_rules! impl_number {
    ($atomic:ty, $ordering:expr) => {
        impl $crate::db::invalidation::number::Number for $atomic {
            fn get(&self) -> u64 {
                self.load($ordering)
            }

            fn set(&self, value: u64) {
                self.store(value, $ordering);
            }

            fn raise(&self, value: u64) {
                self.fetch_max(value, $ordering);
            }

            fn increment(&self) -> u64 {
                self.fetch_add(1, $ordering) + 1
            }
        }
    };
}

impl_number!(AtomicU64, std::sync::atomic::Ordering::SeqCst);

#[cfg(test)]
pub(super) use impl_number;
