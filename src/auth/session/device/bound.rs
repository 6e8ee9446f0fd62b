//! The device of a session, as the cache holds it.

use std::sync::{PoisonError, RwLock};

use super::moment::Text as DeviceProof;
use crate::clock::Timestamp;

/// The device that a session is bound to, as the cache holds it.
#[derive(Debug)]
pub(crate) struct BoundDevice {
    bound_at: Timestamp,
    /// The proof that was verified last, which the browser sends for minutes, and when it expires.
    verified: RwLock<Option<(DeviceProof, Timestamp)>>,
}

impl BoundDevice {
    pub fn new(bound_at: Timestamp) -> Self {
        Self {
            bound_at,
            verified: RwLock::default(),
        }
    }

    pub fn bound_at(&self) -> Timestamp {
        self.bound_at
    }

    pub(super) fn verified(&self, text: &DeviceProof) -> Option<Timestamp> {
        let verified = self.verified.read().unwrap_or_else(PoisonError::into_inner);
        let (known, expires_at) = (*verified)?;
        is_same(&known, text).then_some(expires_at)
    }

    pub(super) fn keep(&self, text: DeviceProof, expires_at: Timestamp) {
        let mut verified = self
            .verified
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *verified = Some((text, expires_at));
    }
}

/// In constant time: every byte is looked at, whichever differ.
fn is_same(one: &DeviceProof, other: &DeviceProof) -> bool {
    let differences = one.iter().zip(other).map(|(one, other)| one ^ other);
    differences.fold(0, |all, difference| all | difference) == 0
}
