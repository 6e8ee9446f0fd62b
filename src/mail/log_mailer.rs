//! Mail for developers.

use async_trait::async_trait;

use super::{Mail, MailError, Mailer};

/// Writes each mail to the log with its link, which readers of the log can use: for development.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let Mail {
            to, subject, text, ..
        } = mail;
        tracing::info!(target: "handstamp::mail", "mail to {to}: {subject}\n\n{text}");
        Ok(())
    }
}
