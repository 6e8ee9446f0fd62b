//! Second factors: turning them on and off, and the step of a login that asks for one.

pub(super) mod login;
pub(super) mod totp;
