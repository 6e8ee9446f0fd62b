//! Names as people type them, and when two of them are the same.

use caseless::Caseless;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

const MIN_CHARS: usize = 2;
const MAX_CHARS: usize = 32;
/// Letters to Unicode, nothing to the eye.
const INVISIBLE_LETTERS: [char; 2] = ['\u{115F}', '\u{1160}'];

/// A username: 2 to 32 letters, digits, `.`, `_`, `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    shown: String,
    key: String,
}

impl Username {
    /// Takes `text` as a username, or says what would be one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let typed: String = text.nfc().take(MAX_CHARS + 1).collect();
        let composed: String = text.nfkc().take(MAX_CHARS + 1).collect();
        let chars = composed.chars().count();
        let is_long_enough = (MIN_CHARS..=MAX_CHARS).contains(&chars);
        if !is_long_enough || !is_spelled_well(&typed) || !is_spelled_well(&composed) {
            return Err(format!(
                "must be {MIN_CHARS} to {MAX_CHARS} letters, digits, '.', '_' or '-'"
            ));
        }
        Ok(Self {
            shown: text.to_owned(),
            key: Self::key_of(&composed),
        })
    }

    /// What `text` is compared by, whether it is a username or not.
    pub fn key_of(text: &str) -> String {
        text.nfkc().default_case_fold().nfkc().collect()
    }

    /// The name as typed.
    pub fn as_typed(&self) -> &str {
        &self.shown
    }

    /// What makes two names the same: the name after NFKC and case folding.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Whether every character is one of those, or a mark that its script writes letters with.
fn is_spelled_well(text: &str) -> bool {
    let mut follows_letter = false;
    text.chars().all(|char| {
        let is_letter = char.is_alphanumeric() && !INVISIBLE_LETTERS.contains(&char);
        // Accents that did not compose would pile up on any letter.
        let is_mark = is_combining_mark(char) && !('\u{300}'..='\u{36F}').contains(&char);
        let is_allowed =
            is_letter || matches!(char, '.' | '_' | '-') || (is_mark && follows_letter);
        follows_letter = is_letter || is_mark;
        is_allowed
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    fn key_of(text: &str) -> String {
        Username::key_of(text)
    }

    fn key(text: &str) -> String {
        Username::parse(text).unwrap().key
    }

    #[test]
    fn case_width_and_composition_do_not_tell_names_apart() {
        assert_eq!(key("JACKSON"), "jackson");
        assert_eq!(key("Ｊａｃｋｓｏｎ"), "jackson");
        assert_eq!(key("Jose\u{301}"), key("JOSÉ"));
        assert_eq!(key("Straße"), key("STRASSE"));
        assert_eq!(Username::parse("Jackson").unwrap().as_typed(), "Jackson");
    }

    #[test]
    fn what_is_no_name() {
        for text in ["\u{2026}", "a\u{336}b", "\u{94D}a"] {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
        assert!(Username::parse("हिन्दी").is_ok());
        for text in [
            "",
            "a",
            "two words",
            "a\0b",
            "a@b",
            "<b>",
            "\u{3164}\u{3164}",
            "a\u{200d}b",
        ] {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
        assert!(Username::parse(&"x".repeat(32)).is_ok());
        assert!(Username::parse(&"x".repeat(33)).is_err());
        // One character that NFKC writes as eighteen.
        assert!(Username::parse(&"\u{FDFA}".repeat(32)).is_err());
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in any::<String>()) {
            let _ = Username::parse(&text);
        }

        #[test]
        fn the_key_of_a_key_is_itself(text in "[\\p{L}\\p{N}._-]{2,32}") {
            if let Ok(name) = Username::parse(&text) {
                prop_assert_eq!(key_of(name.key()), name.key());
            }
        }

        #[test]
        fn case_and_normal_form_do_not_change_the_key(text in "[\\p{L}\\p{N}._-]{2,32}") {
            if let Ok(name) = Username::parse(&text) {
                let forms = [text.nfc().collect::<String>(), text.nfd().collect(), text.nfkc().collect()];
                for form in forms {
                    prop_assert_eq!(key_of(&form), name.key());
                }
            }
            prop_assert_eq!(key_of(&text.to_ascii_uppercase()), key_of(&text.to_ascii_lowercase()));
        }
    }

    const WORDS: &[&str] = &[
        "\u{345}", "\u{301}", "ǰ", "ß", "İ", "ı", "ﬃ", "\u{200d}", "\u{ac00}", "\0", ".",
    ];

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_usernames() {
        let texts = || {
            let name = || "[\\p{L}\\p{N}\\p{M}._-]{1,34}".prop_map(String::into_bytes);
            let text = any::<String>().prop_map(String::into_bytes);
            prop_oneof![2 => name().boxed(), 2 => spoilt(name(), WORDS).boxed(), 1 => text.boxed()]
        };
        fuzz("usernames", texts, |text| {
            let text = String::from_utf8_lossy(&text);
            let Ok(name) = Username::parse(&text) else {
                return Ok(());
            };
            prop_assert_eq!(name.as_typed(), &*text);
            prop_assert!(
                !name
                    .key()
                    .contains(|char: char| char.is_control() || char.is_whitespace())
            );
            prop_assert_eq!(key_of(name.key()), name.key());
            for form in [
                text.nfc().collect::<String>(),
                text.nfd().collect(),
                text.nfkc().collect(),
            ] {
                prop_assert_eq!(key_of(&form), name.key(), "{:?}", form);
            }
            Ok(())
        });
    }
}
