//! E-mail addresses, read by a library and compared without case.

use std::str::FromStr;

use caseless::default_case_fold_str;
use email_address::{EmailAddress, Options};

/// The longest address SMTP can carry (RFC 5321, 4.5.3.1.3).
const MAX_BYTES: usize = 254;

/// An e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The address as typed.
    pub fn as_typed(&self) -> &str {
        &self.0
    }

    /// What makes two addresses the same: the address, case folded.
    pub fn key(&self) -> String {
        default_case_fold_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let options = Options::default()
            .without_display_text()
            .with_required_tld();
        let is_valid = text.len() <= MAX_BYTES
            && !text.contains(char::is_control)
            && EmailAddress::parse_with_options(text, options).is_ok();
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be an e-mail address such as ann@example.com".to_owned())
        }
    }
}

#[cfg(test)]
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
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        assert!(
            format!("{}@example.com", "a".repeat(300))
                .parse::<Email>()
                .is_err()
        );
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
