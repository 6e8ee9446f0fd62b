//! Usernames, and when two of them are the same.

use caseless::Caseless;
use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

const MIN_CHARS: usize = 2;
const MAX_CHARS: usize = 32;
/// Marks in a row, as many as a syllable of Burmese or Tibetan has (UTS #39, 5.4).
const MAX_MARKS: usize = 4;
/// A longer text has too many characters however it is composed: each decomposes to four at most,
/// of four bytes at most.
const MAX_BYTES: usize = MAX_CHARS * 4 * 4;
/// Letters by Unicode that are invisible.
const INVISIBLE_LETTERS: [char; 2] = ['\u{115F}', '\u{1160}'];

/// A username: 2 to 32 letters, digits, `.`, `_`, `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    shown: String,
    key: String,
}

/// Why a text is no username.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum UsernameError {
    /// It has too few or too many characters, or others than a name's.
    #[error("must be {MIN_CHARS} to {MAX_CHARS} letters, digits, '.', '_' or '-'")]
    Spelling,
    /// It may look like another.
    #[error(
        "must be letters and digits of one script, none of them rare or invisible, \
         with few marks on each"
    )]
    Lookalike,
}

impl Username {
    /// Parses a username; the error says what would be one.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        if Self::is_too_long(text) {
            return Err(UsernameError::Spelling);
        }
        let typed: String = text.nfc().take(MAX_CHARS + 1).collect();
        let composed: String = text.nfkc().take(MAX_CHARS + 1).collect();
        let chars = composed.chars().count();
        let is_long_enough = (MIN_CHARS..=MAX_CHARS).contains(&chars);
        if !is_long_enough || !is_spelled_well(&typed) || !is_spelled_well(&composed) {
            return Err(UsernameError::Spelling);
        }
        Ok(Self {
            shown: text.to_owned(),
            key: Self::key_of(&composed),
        })
    }

    /// Parses the username of a sign-up, which must not look like another, except by letters that
    /// one script writes alike.
    pub fn for_sign_up(text: &str) -> Result<Self, UsernameError> {
        let username = Self::parse(text)?;
        let composed: String = text.nfkc().collect();
        if looks_like_itself(&composed) {
            Ok(username)
        } else {
            Err(UsernameError::Lookalike)
        }
    }

    /// Whether `text` is longer than any username, however it is composed. Checked first, as the
    /// cost of composing a text grows with its length.
    pub fn is_too_long(text: &str) -> bool {
        text.len() > MAX_BYTES
    }

    /// The key that `text` is compared by, whether it is a username or not.
    pub fn key_of(text: &str) -> String {
        text.nfkc().default_case_fold().nfkc().collect()
    }

    /// The name as typed.
    pub fn as_typed(&self) -> &str {
        &self.shown
    }

    /// The key that names are compared by: the name after NFKC and case folding.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Whether every character is allowed, or a mark that its script writes letters with.
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

/// Whether a name is Highly Restrictive (UTS #39, 5.2), which excludes default-ignorable code
/// points and every mix of scripts except Chinese, Japanese and Korean with Latin; and has no
/// piled-up marks (5.4).
fn looks_like_itself(composed: &str) -> bool {
    let mut marks = Vec::new();
    let has_few_marks = composed.chars().all(|char| {
        if !is_combining_mark(char) {
            marks.clear();
            return true;
        }
        let is_repeated = marks.contains(&char);
        marks.push(char);
        !is_repeated && marks.len() <= MAX_MARKS
    });
    has_few_marks && composed.check_restriction_level(RestrictionLevel::HighlyRestrictive)
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

    #[test]
    fn nobody_signs_up_with_a_name_that_looks_like_another() {
        for name in [
            "admin\u{FE0F}",
            "ad\u{FE00}min",
            "admin\u{E0100}",
            "\u{430}dmin",
            "admіn",
            "pаypаl",
            "Αdmin",
            "ɑdmin",
            "हि\u{93F}",
            "ก\u{E48}\u{E48}",
            "ក\u{17B6}\u{17C6}\u{17C9}\u{17C1}\u{17C2}",
            "admin\u{20DD}",
            "ab\u{1AB0}",
        ] {
            assert!(Username::for_sign_up(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_of_many_languages_sign_up() {
        for name in [
            "Jackson",
            "ann_b.c-9",
            "Zoë",
            "José",
            "Jose\u{301}",
            "Łukasz",
            "Đặng",
            "Straße",
            "Jürgen",
            "İbrahim",
            "Анна",
            "Київ",
            "Ђорђе",
            "Αθηνά",
            "Ոսկան",
            "გიორგი",
            "אברהם",
            "محمد",
            "فاطمة",
            "हिन्दी",
            "चीज़ें",
            "বাংলা",
            "ਪੰਜਾਬੀ",
            "ગુજરાતી",
            "தமிழ்",
            "తెలుగు",
            "ಕನ್ನಡ",
            "മലയാളം",
            "සිංහල",
            "ภาษาไทย",
            "น้ำ",
            "ที่นี่",
            "ພາສາລາວ",
            "မြန်မာ",
            "ကျွန်ုပ်",
            "မြွေ",
            "ភាសាខ្មែរ",
            "ញ៉ាំ",
            "བསྒྲུབས",
            "አማርኛ",
            "ひらがな",
            "カタカナ",
            "東京タワー",
            "李明",
            "한국어",
            "김Kim",
            "東京tokyo",
            "Ｊａｃｋｓｏｎ",
            "ann٣",
            "x2",
        ] {
            let name_is_mixed = name == "ann٣";
            assert_eq!(
                Username::for_sign_up(name).is_err(),
                name_is_mixed,
                "{name}"
            );
        }
    }

    #[test]
    fn a_text_longer_than_any_name_is_told_by_its_length() {
        assert!(Username::is_too_long(&"x".repeat(60_000)));
        // The longest names there are: decomposed, each of four characters.
        let longest: String = "\u{1F82}".repeat(32).nfd().collect();
        assert_eq!(longest.chars().count(), 128);
        assert!(!Username::is_too_long(&longest));
    }

    proptest! {
        #[test]
        fn who_may_sign_up_is_a_username(text in "[\\p{L}\\p{M}\\p{N}._-]{1,34}") {
            if let Ok(name) = Username::for_sign_up(&text) {
                prop_assert_eq!(Username::parse(&text), Ok(name));
            }
        }

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
