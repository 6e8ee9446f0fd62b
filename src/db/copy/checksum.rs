//! A checksum of rows in any order: the sum of their hashes.

use std::fmt;

use sha2::{Digest, Sha256};

use super::value::Value;

/// How many rows, and the sum of their SHA-256 hashes modulo 2^256. Databases return rows in
/// orders of their own, which a sum does not depend on; unlike exclusive or, it tells two equal
/// rows from none. It is against accidents, not against somebody who chooses rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub rows: u64,
    /// The lowest part comes first.
    sum: [u64; 4],
}

impl Checksum {
    pub(super) fn add(&mut self, row: &[Value]) {
        let mut hash = Sha256::new();
        for value in row {
            value.hash(&mut hash);
        }
        self.rows += 1;
        let hash = hash.finalize();
        let mut carry = false;
        for (part, bytes) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let bytes = bytes.try_into().unwrap_or_default();
            let (sum, first) = part.overflowing_add(u64::from_le_bytes(bytes));
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *part = sum;
            carry = first || second;
        }
    }
}

/// The sum in hexadecimal.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum
            .iter()
            .rev()
            .try_for_each(|part| write!(f, "{part:016x}"))
    }
}
