//! What users prove with who they are, in software.

mod app;
mod device;
mod passkeys;
mod soft;

pub use app::{AuthenticatorApp, STEP, TwoSteps, recovery_codes};
pub use device::{Bound, DEVICE_BOUND, Device, Offer, challenge, refresh, register, set_proof};
pub use soft::{Authenticator, ORIGIN, encode};
