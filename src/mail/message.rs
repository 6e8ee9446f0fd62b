//! A mail, and the trait of what sends it.

use std::fmt;

use async_trait::async_trait;
use thiserror::Error;
use uuid::Uuid;

use crate::clock::Timestamp;

/// A mail to one recipient. `Debug` does not show what it says, as that may be a link that lets
/// somebody in.
#[derive(Clone)]
#[non_exhaustive]
pub struct Mail {
    /// Stays the same when the mail is sent again, after an attempt of which nobody knows whether it
    /// succeeded.
    pub id: Uuid,
    /// When it was written.
    pub written_at: Timestamp,
    /// The recipient's address, as typed.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// What it says, in plain text.
    pub text: String,
    /// The same, as a page of HTML that loads nothing.
    pub html: String,
    /// What must not be in any log.
    pub(crate) secret: Option<String>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a mail was not sent. The texts are for the log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailError {
    /// No mail can be sent at the moment, this one no more than others: they all wait for a few
    /// seconds.
    #[error("the mail server is not available: {0}")]
    Unavailable(String),
    /// This mail cannot be sent at the moment: it is tried again, ever more seldom, for a day.
    #[error("the mail server deferred a mail: {0}")]
    Deferred(String),
    /// This mail will never be sent.
    #[error("the mail server refused a mail: {0}")]
    Refused(String),
}

/// Sends mail: `SmtpMailer` (feature `smtp`), or one of your own over the API of a mail
/// service. It is called for one mail at a time, and given up after 45 seconds.
///
/// ```
/// use handstamp::mail::{Mail, MailError, Mailer};
///
/// struct Printer;
///
/// #[async_trait::async_trait]
/// impl Mailer for Printer {
///     async fn send(&self, mail: &Mail) -> Result<(), MailError> {
///         println!("to {}: {}\n\n{}", mail.to, mail.subject, mail.text);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Sends a mail.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}
