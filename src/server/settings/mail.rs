//! The settings of mail.

use std::path::{Path, PathBuf};

use url::Url;

use super::{EnvReader, config::Environment};
use crate::{
    auth::{EmailVerification, RateLimit, check_mail_templates},
    mail::{SmtpMailer, SmtpUrl, SmtpUrlError},
};

/// How mail is sent, and what for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MailSettings {
    /// `SMTP_URL`; without it mail is in the log in development, and not sent in production
    pub smtp_url: Option<SmtpUrl>,
    /// `MAIL_FROM`
    pub from: String,
    /// `PUBLIC_URL`
    pub public_url: String,
    /// `EMAIL_VERIFICATION`
    pub verification: EmailVerification,
    /// `MAIL_TEMPLATES`
    pub templates: Option<PathBuf>,
    /// `MAILS_PER_ACCOUNT`; none when they are not counted
    pub per_account: Option<RateLimit>,
    /// `MAILS_PER_ADDRESS`; none when they are not counted
    pub per_address: Option<RateLimit>,
}

impl MailSettings {
    pub(super) fn read(env: &mut EnvReader<'_>, environment: Environment, port: u16) -> Self {
        let smtp_url = env.read_with("SMTP_URL", None, |text| {
            let url = text.parse().map(Some);
            url.map_err(|error: SmtpUrlError| error.to_string())
        });
        let is_production = environment == Environment::Production;
        let public_url = env.read_with("PUBLIC_URL", None, |text| {
            public_url(text, is_production).map(Some)
        });
        let from = env.read_with("MAIL_FROM", None, |text| {
            SmtpMailer::check_sender(text)?;
            Ok(Some(text.to_owned()))
        });
        if smtp_url.is_some() {
            for (name, what) in [
                ("MAIL_FROM", "is not set; mails need a sender"),
                ("PUBLIC_URL", "is not set; the links in mails begin with it"),
            ] {
                if env.text(name).is_none() {
                    env.mistake(name, what);
                }
            }
        }
        let optional = EmailVerification::Optional;
        let verification = env.read_with("EMAIL_VERIFICATION", optional, |text| match text {
            "optional" => Ok(EmailVerification::Optional),
            "required" => Ok(EmailVerification::Required),
            _ => Err(format!("must be optional or required (it is {text:?})")),
        });
        let is_without_mail = is_production && env.text("SMTP_URL").is_none();
        if verification == EmailVerification::Required && is_without_mail {
            env.mistake("EMAIL_VERIFICATION", "cannot be required without SMTP_URL");
        }
        Self {
            smtp_url,
            from: from.unwrap_or_else(|| "handstamp@localhost".to_owned()),
            public_url: public_url.unwrap_or_else(|| format!("http://localhost:{port}")),
            verification,
            templates: env.read_with("MAIL_TEMPLATES", None, |text| {
                check_mail_templates(Path::new(text))?;
                Ok(Some(PathBuf::from(text)))
            }),
            per_account: env.rate_limit("MAILS_PER_ACCOUNT", "5/1h"),
            per_address: env.rate_limit("MAILS_PER_ADDRESS", "20/1h"),
        }
    }
}

/// Where links lead: https where somebody could listen in, as a link lets its reader in.
fn public_url(text: &str, is_production: bool) -> Result<String, String> {
    let refused = || format!("must be an origin such as https://app.example (it is {text:?})");
    let url = Url::parse(text).map_err(|_| refused())?;
    let origin = url.origin().ascii_serialization();
    if !matches!(url.scheme(), "http" | "https") || text.trim_end_matches('/') != origin {
        return Err(refused());
    }
    let host = url.host_str().unwrap_or_default();
    let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    if is_production && url.scheme() == "http" && !is_local {
        return Err("must begin with https:// in production".to_owned());
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_urls_are_origins() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example/", "https://app.example"),
            ("http://localhost:3000", "http://localhost:3000"),
        ] {
            assert_eq!(public_url(text, true).as_deref(), Ok(origin));
        }
        for bad in [
            "app.example",
            "https://",
            "https://app.example/path",
            "https://app.example?a=b",
            "https://ann:password@app.example",
            "ftp://app.example",
            "https://APP.example",
        ] {
            assert!(public_url(bad, true).is_err(), "{bad}");
        }
        assert!(public_url("http://app.example", true).is_err());
        assert!(public_url("http://app.example", false).is_ok());
    }
}
