//! E-mail addresses, parsed by a library and compared without case.

use std::str::FromStr;

use caseless::Caseless;
use email_address::{EmailAddress, Options};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// The longest address SMTP can carry (RFC 5321, 4.5.3.1.3).
const MAX_BYTES: usize = 254;

/// Why a text is no e-mail address.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be an e-mail address such as ann@example.com")]
#[non_exhaustive]
pub struct EmailError;

/// An e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The address as typed.
    pub fn as_typed(&self) -> &str {
        &self.0
    }

    /// The key that addresses are compared by: with the domain decoded from punycode, after NFKC and
    /// case folding.
    pub fn key(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or((&self.0, ""));
        let (unicode, read) = idna::domain_to_unicode(domain);
        let domain = if read.is_ok() { &unicode } else { domain };
        format!("{}@{}", fold(local), fold(domain))
    }
}

fn fold(text: &str) -> String {
    text.nfkc().default_case_fold().nfkc().collect()
}

impl FromStr for Email {
    type Err = EmailError;

    /// Neither quotes nor brackets: what is in them may be anything, also words to the reader of the
    /// address in a mail, and hardly anybody has such an address.
    fn from_str(text: &str) -> Result<Self, EmailError> {
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_required_tld();
        let is_valid = text.len() <= MAX_BYTES
            && !text.contains(char::is_control)
            && !text.contains('"')
            && EmailAddress::parse_with_options(text, options).is_ok();
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(EmailError)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    #[test]
    fn addresses_are_told_from_other_texts() {
        assert!("ann@example.com".parse::<Email>().is_ok());
        assert!("zoë@exämple.de".parse::<Email>().is_ok());
        for text in [
            "",
            "ann",
            "ann@",
            "@example.com",
            "Ann <ann@example.com>",
            "a\0@example.com",
            "\"ann\"@example.com",
            "\"your account is locked, go to evil.example\"@example.com",
            "ann@[192.0.2.7]",
            "ann@[evil.example]",
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        assert!(
            format!("{}@example.com", "a".repeat(300))
                .parse::<Email>()
                .is_err()
        );
    }

    fn key(text: &str) -> String {
        text.parse::<Email>().unwrap().key()
    }

    #[test]
    fn width_case_and_punycode_do_not_tell_addresses_apart() {
        for same in [
            "ann@example.com",
            "Ann@Example.com",
            "ａｎｎ@example.com",
            "ann@ｅｘａｍｐｌｅ.com",
        ] {
            assert_eq!(key(same), "ann@example.com", "{same}");
        }
        assert_eq!(key("zoë@exämple.de"), "zoë@exämple.de");
        assert_eq!(key("Zoë@xn--exmple-cua.de"), "zoë@exämple.de");
        assert_eq!(key("zoë@XN--EXMPLE-CUA.de"), "zoë@exämple.de");
        assert_ne!(key("ann+news@example.com"), key("ann@example.com"));
        assert_ne!(key("a.nn@example.com"), key("ann@example.com"));
    }

    proptest! {
        #[test]
        fn ordinary_addresses_have_the_key_they_always_had(
            text in "[A-Za-z0-9.+_-]{1,20}@[a-zA-Z0-9-]{1,20}[.][a-z]{2,5}",
        ) {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(email.key(), text.to_lowercase());
            }
        }
    }

    const WORDS: &[&str] = &[
        "@", ".", "\"", "(", "[", "]", "<", ">", "xn--", "é", "\0", "\u{345}", "\\",
    ];

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_emails() {
        let texts = || {
            let address = || {
                r#"([a-z.+é]{1,70}|"[ -~]{0,20}")@([a-zé0-9-]{1,65}[.]){1,5}[a-z]{2,5}"#
                    .prop_map(String::into_bytes)
            };
            prop_oneof![address().boxed(), spoilt(address(), WORDS).boxed()]
        };
        fuzz("e-mail addresses", texts, |text| {
            let text = String::from_utf8_lossy(&text);
            let Ok(email) = text.parse::<Email>() else {
                return Ok(());
            };
            prop_assert_eq!(email.as_typed(), &*text);
            prop_assert!(text.len() <= MAX_BYTES && !text.contains(char::is_control));
            let (local, domain) = text.rsplit_once('@').unwrap_or_default();
            prop_assert!(!local.is_empty() && domain.contains('.'), "{}", text);
            let folded = email.key().parse::<Email>().map(|email| email.key());
            prop_assert!(folded.is_err() || folded == Ok(email.key()));
            Ok(())
        });
    }
}
