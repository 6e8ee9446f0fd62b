//! A mail as it goes over the wire (RFC 5322, MIME).

use std::{error::Error as StdError, time::SystemTime};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use time::OffsetDateTime;

use crate::mail::Mail;

type Outgoing = (Envelope, Vec<u8>);

/// The envelope and the text of a mail.
pub(super) fn outgoing(
    mail: &Mail,
    from: &Mailbox,
) -> Result<Outgoing, Box<dyn StdError + Send + Sync>> {
    let (local, domain) = mail.to.rsplit_once('@').unwrap_or((&mail.to, ""));
    let to = Address::new(local, ascii_domain(domain))?;
    let written_at = SystemTime::from(OffsetDateTime::from(mail.written_at));
    let id = format!("<{}@{}>", mail.id, ascii_domain(from.email.domain()));
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(mail.subject.clone())
        .date(written_at)
        .message_id(Some(id))
        // No vacation notice or other robot is to reply (RFC 3834).
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            mail.html.clone(),
        ))?;
    Ok((message.envelope().clone(), message.formatted()))
}

/// The domain as every mail server takes it.
pub(super) fn ascii_domain(domain: &str) -> String {
    idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;

    fn sent(to: &str, subject: &str) -> (Envelope, String) {
        let mail = Mail {
            id: Uuid::from_u128(7),
            written_at: Timestamp::from_unix_micros(0),
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\nhttps://app.example/reset-password#token=abc".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
            secret: None,
        };
        let from = "Äpp <noreply@app.example>".parse().unwrap();
        let (envelope, text) = outgoing(&mail, &from).unwrap();
        (envelope, String::from_utf8(text).unwrap())
    }

    #[test]
    fn headers_say_what_a_mail_is() {
        let (envelope, text) = sent("ann@exämple.de", "Grüße");
        assert_eq!(envelope.to()[0].to_string(), "ann@xn--exmple-cua.de");
        assert!(text.is_ascii(), "{text}");
        for header in [
            "To: ann@xn--exmple-cua.de\r\n",
            "Subject: =?utf-8?b?",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "Message-ID: <00000000-0000-0000-0000-000000000007@app.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "Content-Type: text/html; charset=utf-8\r\n",
        ] {
            assert!(text.contains(header), "{header}: {text}");
        }
    }

    #[test]
    fn no_text_becomes_a_header_of_its_own() {
        let (_, text) = sent("ann@example.com", "a\r\nBcc: ben@example.com");
        assert!(!text.contains("\nBcc:"), "{text}");
    }
}
