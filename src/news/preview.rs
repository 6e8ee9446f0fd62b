//! What a visitor past the limit sees of a post.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// The most characters of a text that are shown.
const MAX_BEGINNING: usize = 280;

/// A post without the rest of its text and its comments.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    #[schema(example = "Sessions, signed")]
    pub title: String,
    #[schema(required, example = "https://example.com/sessions")]
    pub url: Option<String>,
    /// The beginning of the text, with an ellipsis: at most half of it, and at most 280 characters.
    #[schema(required, example = "Why a cookie…")]
    pub text: Option<String>,
    /// The author's username.
    #[schema(example = "Jackson")]
    pub author: String,
    pub comment_count: i64,
    pub vote_count: i64,
    pub created_at: Timestamp,
}

/// The beginning of `text`, cut between two words where it has any.
pub(super) fn beginning(text: &str) -> String {
    let most = MAX_BEGINNING.min(text.chars().count() / 2);
    let end = text
        .char_indices()
        .nth(most)
        .map_or(text.len(), |(index, _)| index);
    let (shown, rest) = text.split_at(end);
    let is_between_words = rest.starts_with(char::is_whitespace);
    let whole_words = match shown.rfind(char::is_whitespace) {
        Some(space) if !is_between_words => &shown[..space],
        _ => shown,
    };
    format!("{}…", whole_words.trim_end())
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[test]
    fn a_text_is_cut_between_words_before_its_half() {
        for (text, expected) in [
            ("", "…"),
            ("a", "…"),
            ("abcdef", "abc…"),
            ("one two three four", "one two…"),
            ("one two six ten", "one two…"),
            ("äöü äöü äöü äöü", "äöü äöü…"),
        ] {
            assert_eq!(beginning(text), expected, "{text:?}");
        }
        let long = "word ".repeat(1_000);
        let shown = beginning(&long);
        assert_eq!(shown.chars().count(), 280);
        assert!(shown.ends_with("word…"), "{shown}");
    }
}
