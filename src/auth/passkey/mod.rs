//! Passkeys (WebAuthn Level 3): discoverable credentials that verify their user.

mod ceremony;
mod challenges;
mod changes;
#[cfg(test)]
mod fuzz_targets;
mod proof;
mod relying_party;
pub(crate) mod store;

pub use self::relying_party::RelyingParty;
pub(crate) use self::{
    challenges::{ChallengedBrowser, Purpose},
    changes::checked_name,
    store::OwnPasskey,
};
