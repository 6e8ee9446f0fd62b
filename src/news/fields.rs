//! Validation of the fields of posts and comments.

use serde::{Deserialize, Deserializer};
use url::Url;

use crate::http::{Error, FieldErrors};

const TITLE_CHARS: usize = 200;
const URL_CHARS: usize = 2_000;
const POST_TEXT_CHARS: usize = 10_000;
const COMMENT_TEXT_CHARS: usize = 4_000;

/// The title, if it can be one.
pub(super) fn check_title(errors: &mut FieldErrors, title: &str) {
    if is_blank(title) {
        note(errors, "title", "is required".to_owned());
    }
    check_text(errors, "title", title, TITLE_CHARS);
}

/// The address, if it is safe to link: `javascript:` and its like run in the page that shows them.
pub(super) fn check_url(errors: &mut FieldErrors, url: &str) {
    // As typed: the parser would take `http:example.com` too, and spaces before it.
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    if !is_web || !Url::parse(url).is_ok_and(|url| url.has_host()) {
        note(errors, "url", "must be an http or https address".to_owned());
    }
    check_text(errors, "url", url, URL_CHARS);
}

pub(super) fn check_post_text(errors: &mut FieldErrors, text: &str) {
    check_text(errors, "text", text, POST_TEXT_CHARS);
}

/// The text of a comment, which must not be blank.
pub(super) fn check_comment(text: &str) -> Result<(), Error> {
    let mut errors = FieldErrors::new();
    if is_blank(text) {
        note(&mut errors, "text", "is required".to_owned());
    }
    check_text(&mut errors, "text", text, COMMENT_TEXT_CHARS);
    into_result(errors)
}

/// Whether a text is invisible: `[^\s\u0085]` in the description, where a byte order mark
/// is a space and NEL is not.
fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|char| char.is_whitespace() || char == '\u{FEFF}')
}

/// All errors found.
pub(super) fn into_result(errors: FieldErrors) -> Result<(), Error> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(errors))
    }
}

fn check_text(errors: &mut FieldErrors, field: &str, text: &str, most: usize) {
    if text.chars().count() > most {
        note(errors, field, format!("must be at most {most} characters"));
    }
    // PostgreSQL stores no text with a NUL in it.
    if text.contains('\0') {
        note(errors, field, "must not contain a NUL character".to_owned());
    }
}

pub(super) fn note(errors: &mut FieldErrors, field: &str, what: String) {
    errors.entry(field.to_owned()).or_default().push(what);
}

/// Tells a null field, which empties the value, from a missing one, which leaves it unchanged.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_see_is_nothing() {
        for text in ["", " \n\t", "\u{85}", "\u{A0}\u{3000}", "\u{FEFF}"] {
            assert!(check_comment(text).is_err(), "{text:?}");
        }
        assert!(check_comment(" .").is_ok());
    }

    #[test]
    fn only_web_addresses_are_taken() {
        let is_taken = |url: &str| {
            let mut errors = FieldErrors::new();
            check_url(&mut errors, url);
            errors.is_empty()
        };
        for url in [
            "http://example.com",
            "https://example.com/a?b#c",
            "HTTPS://EXAMPLE.COM",
        ] {
            assert!(is_taken(url), "{url}");
        }
        for url in [
            "",
            "example.com",
            "/relative",
            "javascript:alert(1)",
            " javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,x",
            "ftp://example.com",
            "http://",
            "http:example.com",
            "http:\\\\example.com",
            " http://example.com",
        ] {
            assert!(!is_taken(url), "{url}");
        }
    }
}
