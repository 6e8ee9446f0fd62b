//! Codes of an authenticator app (TOTP, RFC 6238) as a second factor, and recovery codes for who has
//! lost it.

mod codes;
mod enrolment;
mod factor;
mod login;
mod permits;
mod recovery_code;
mod reseal;
pub(crate) mod store;
mod wrong_codes;

pub(crate) use self::{
    codes::Codes,
    enrolment::Enrolment,
    factor::Factor,
    login::{LIFETIME, Refused, SecondStep},
};
