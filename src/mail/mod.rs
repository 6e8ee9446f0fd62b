//! Mail: an outbox in the database, and a worker that sends what is in it.
//!
//! A mail is a row that is written in the transaction of what it tells of, so that neither is there
//! without the other, and no request waits for a mail server. Who gets what is decided when it is
//! sent; how it is sent, by a [`Mailer`].

mod backoff;
mod log_mailer;
mod message;
mod outbox;
mod seal;
#[cfg(feature = "smtp")]
mod smtp;
mod store;
pub(crate) mod templates;
pub(crate) mod worker;

#[cfg(feature = "smtp")]
pub use self::smtp::{SmtpMailer, SmtpUrl, SmtpUrlError};
pub(crate) use self::{backoff::GIVEN_UP_AFTER, outbox::Outbox, seal::Seal, worker::Compose};
pub use self::{
    log_mailer::LogMailer,
    message::{Mail, MailError, Mailer},
    outbox::WaitingMails,
};
