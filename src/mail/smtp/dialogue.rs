//! One mail over a connection, step by step: which step failed says what to do about it.

use std::time::Duration;

use lettre::{
    address::Envelope,
    transport::smtp::{
        Error as SmtpError,
        client::AsyncSmtpConnection,
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::{Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::timeout;

use crate::mail::MailError;

/// For one command, which some servers look into for seconds.
const STEP_LIMIT: Duration = Duration::from_secs(10);
/// For the server's word that it has the mail.
const TAKE_LIMIT: Duration = Duration::from_secs(20);

/// Sends a mail.
pub(super) async fn send(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
) -> Result<(), MailError> {
    let parameters = parameters(connection, envelope, message)?;
    // What is wrong with the sender is so with every mail: a setting, or the account at the server.
    let sender = MailFrom::new(envelope.from().cloned(), parameters);
    step(STEP_LIMIT, connection.command(sender))
        .await
        .map_err(|failed| MailError::Unavailable(failed.why))?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        let taken = step(STEP_LIMIT, connection.command(recipient)).await;
        taken.map_err(Failed::of_this_mail)?;
    }
    // Nothing of the mail was said yet, but to whom.
    let awaited = step(STEP_LIMIT, connection.command(Data)).await;
    awaited.map_err(|failed| match failed.has_response {
        true => failed.of_this_mail(),
        false => MailError::Unavailable(failed.why),
    })?;
    let taken = step(TAKE_LIMIT, connection.message(message)).await;
    taken.map_err(Failed::of_this_mail)
}

/// What the server is told of a mail, where it has words for it (RFC 6152, RFC 6531).
fn parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Vec<MailParameter>, MailError> {
    let server = connection.server_info();
    let mut parameters = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !address.to_string().is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            let what = "the server takes no address with letters beyond ASCII";
            return Err(MailError::Refused(what.to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !message.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            let what = "the server takes no text beyond ASCII";
            return Err(MailError::Refused(what.to_owned()));
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// Why a step failed.
struct Failed {
    why: String,
    /// The server has said so, rather than nothing.
    has_response: bool,
    is_permanent: bool,
}

impl Failed {
    fn of_this_mail(self) -> MailError {
        match self.is_permanent {
            true => MailError::Refused(self.why),
            false => MailError::Deferred(self.why),
        }
    }
}

async fn step<T>(
    limit: Duration,
    response: impl Future<Output = Result<T, SmtpError>>,
) -> Result<(), Failed> {
    match timeout(limit, response).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failed {
            has_response: error.status().is_some(),
            is_permanent: error.is_permanent(),
            why: error.to_string(),
        }),
        Err(_) => Err(Failed {
            why: format!("no response within {} s", limit.as_secs()),
            has_response: false,
            is_permanent: false,
        }),
    }
}
