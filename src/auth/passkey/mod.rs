//! Passkeys (WebAuthn Level 3): discoverable credentials that verify their user.

mod asked;
mod ceremony;
mod changes;
#[cfg(test)]
mod fuzz_targets;
mod operator;
mod proof;
mod relying_party;
pub(crate) mod store;

pub(crate) use self::{
    asked::{AskedBy, Purpose},
    changes::checked_name,
    proof::Proved,
};
pub use self::{relying_party::RelyingParty, store::OwnPasskey};
