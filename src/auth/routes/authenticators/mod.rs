//! What users prove with beside passwords: passkeys, and codes as a second factor.

#[cfg(feature = "passkeys")]
pub(super) mod passkeys;
#[cfg(feature = "totp")]
pub(super) mod second_factor;
