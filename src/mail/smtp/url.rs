//! The address of a mail server.

use std::{fmt, str::FromStr};

use thiserror::Error;
use url::{Host, Url};

/// Message submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// Message submission over TLS (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

/// When the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// With STARTTLS, where the server offers it.
    IfOffered,
    /// With STARTTLS, or nothing is sent.
    Required,
    FromTheFirstByte,
}

/// Where a mail server is and how to log in to it. `Debug` does not show the password.
///
/// - `smtp://USER:PASSWORD@HOST:PORT`: STARTTLS where the server offers it; port 587 by default.
/// - `smtp://…?tls=required`: STARTTLS, or nothing is sent.
/// - `smtps://USER:PASSWORD@HOST:PORT`: TLS from the first byte; port 465 by default.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<(String, String)>,
}

/// Why a text is no address of a mail server; it does not repeat the text.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be smtp://USER:PASSWORD@HOST:PORT, perhaps with ?tls=required, or smtps://… (in a user or \
     a password @ is %40, : is %3A and / is %2F)"
)]
#[non_exhaustive]
pub struct SmtpUrlError;

impl SmtpUrl {
    /// Whether a password would be sent in clear to another machine, should somebody in between
    /// hide that the server offers STARTTLS.
    pub fn risks_password(&self) -> bool {
        let is_local = matches!(&*self.host, "localhost" | "127.0.0.1" | "::1");
        self.tls == Tls::IfOffered && self.credentials.is_some() && !is_local
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpUrl")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for SmtpUrl {
    type Err = SmtpUrlError;

    fn from_str(text: &str) -> Result<Self, SmtpUrlError> {
        parse(text).ok_or(SmtpUrlError)
    }
}

fn parse(text: &str) -> Option<SmtpUrl> {
    let url = Url::parse(text).ok()?;
    let (tls, default_port) = match (url.scheme(), url.query()) {
        ("smtps", None) => (Tls::FromTheFirstByte, SUBMISSIONS_PORT),
        ("smtp", None) => (Tls::IfOffered, SUBMISSION_PORT),
        ("smtp", Some("tls=required")) => (Tls::Required, SUBMISSION_PORT),
        _ => return None,
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return None;
    }
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text).decode_utf8();
        text.ok().map(|text| text.into_owned())
    };
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?)),
        _ => return None,
    };
    Some(SmtpUrl {
        host: (!host.is_empty()).then_some(host)?,
        port: url.port().unwrap_or(default_port),
        tls,
        credentials,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_say_when_to_encrypt_and_how_to_log_in() {
        let url: SmtpUrl = "smtp://ann%40example.com:p%3A%2F@mail.example:2525"
            .parse()
            .unwrap();
        assert_eq!((url.host.as_str(), url.port), ("mail.example", 2525));
        assert_eq!(url.tls, Tls::IfOffered);
        let credentials = ("ann@example.com".to_owned(), "p:/".to_owned());
        assert_eq!(url.credentials, Some(credentials));
        assert!(url.risks_password());
        assert!(!format!("{url:?} {url}").contains("p:/"));

        let url: SmtpUrl = "smtp://a:b@mail.example?tls=required".parse().unwrap();
        assert_eq!((url.port, url.tls), (587, Tls::Required));
        assert!(!url.risks_password());
        let url: SmtpUrl = "smtps://[::1]".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 465));
        assert_eq!((url.tls, url.credentials), (Tls::FromTheFirstByte, None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "",
            "mail.example",
            "smtp://",
            "http://mail.example",
            "smtp://user@mail.example",
            "smtp://:password@mail.example",
            "smtp://mail.example?tls=off",
            "smtps://mail.example?tls=required",
            "smtp://mail.example/path",
            "smtp://mail.example:0x19",
            "smtp://a:%FF@mail.example",
        ] {
            assert_eq!(text.parse::<SmtpUrl>(), Err(SmtpUrlError), "{text}");
        }
    }
}
