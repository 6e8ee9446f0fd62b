//! Second factors: turning them on and off, and the step of a login that asks for one.

pub(in crate::auth::routes) mod login;
pub(in crate::auth::routes) mod totp;
