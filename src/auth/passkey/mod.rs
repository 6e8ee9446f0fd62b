//! Passkeys (WebAuthn Level 3): discoverable credentials that verify their user.

mod ceremony;
mod challenges;
mod changes;
#[cfg(test)]
mod fuzz_targets;
mod operator;
mod proof;
mod relying_party;
pub(crate) mod store;

pub(crate) use self::{challenges::ChallengedBrowser, changes::checked_name, proof::Proved};
pub use self::{relying_party::RelyingParty, store::OwnPasskey};
