//! What somebody proves with in the second step of a login.

/// Consecutive wrong codes after which none is taken, however long one waits (NIST SP 800-63B-4, 3.2.2).
const MAX_FAILURES: i64 = 100;

/// What somebody proves with in the second step.
#[derive(Debug)]
pub(crate) enum Factor {
    /// A code of their authenticator app.
    Totp(String),
    RecoveryCode(String),
}

impl Factor {
    /// Whether no such code is taken after so many consecutive wrong ones. Recovery codes have too many bits
    /// to be guessed, and are neither counted nor refused.
    pub(super) fn is_locked_out(&self, failures: i64) -> bool {
        matches!(self, Self::Totp(_)) && failures >= MAX_FAILURES
    }
}
