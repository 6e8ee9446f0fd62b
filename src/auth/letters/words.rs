//! What mails call things, in our own words.

use time::{OffsetDateTime, macros::format_description};

use crate::clock::Timestamp;

/// A browser by its `User-Agent`, in fixed words: the header's text is the client's to choose.
pub(crate) fn device_name(user_agent: Option<&str>) -> String {
    // Those that call themselves by the names of others come first.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("Macintosh", "a Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let agent = user_agent.unwrap_or_default();
    let named = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(sign, _)| agent.contains(sign));
        found.map(|(_, name)| *name)
    };
    let browser = named(&BROWSERS).unwrap_or("an unknown browser");
    match named(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

/// A passkey as a mail names it. Who has added it has chosen its name: it is told to a verified address
/// alone, and not where a mail program would make a link of it.
pub(crate) fn passkey_in_words(name: &str, created_at: Timestamp, is_verified: bool) -> String {
    let added = in_words(created_at);
    match is_verified && !is_misleading(name) {
        true => format!("“{name}”, added on {added}"),
        false => format!("a passkey, added on {added}"),
    }
}

fn is_misleading(text: &str) -> bool {
    let mut before_dot = false;
    let has_domain = text.chars().any(|symbol| {
        let is_domain = before_dot && symbol.is_alphabetic();
        before_dot = matches!(symbol, '.' | '。' | '．' | '｡');
        is_domain
    });
    // Nor may it have characters that change the order in which text is displayed.
    let reorders = |symbol| matches!(symbol, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    has_domain || text.contains(['/', '@', ':']) || text.contains(reorders)
}

/// `31 January 2026 at 12:00 UTC`.
pub(super) fn in_words(moment: Timestamp) -> String {
    let format =
        format_description!("[day padding:none] [month repr:long] [year] at [hour]:[minute] UTC");
    let moment = OffsetDateTime::from(moment).format(format);
    moment.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn devices_are_named_in_our_words_alone() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0";
        let android = "Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0";
        for (agent, name) in [
            (Some(edge), "Edge on Windows"),
            (Some(android), "Firefox on Android"),
            (Some("visit evil.example"), "an unknown browser"),
            (None, "an unknown browser"),
        ] {
            assert_eq!(device_name(agent), name);
        }
    }

    #[test]
    fn a_passkey_is_named_to_its_owner_in_words_that_are_no_link() {
        let added = datetime!(2026-01-31 12:00 UTC).into();
        let nameless = "a passkey, added on 31 January 2026 at 12:00 UTC";
        for name in ["My phone", "Ann’s key 2.0", "v. 3", "a.1"] {
            let named = format!("“{name}”, added on 31 January 2026 at 12:00 UTC");
            assert_eq!(passkey_in_words(name, added, true), named);
            assert_eq!(passkey_in_words(name, added, false), nameless);
        }
        for name in [
            "evil.example",
            "go to EVIL.example now",
            "https://evil",
            "a@b",
            "//evil",
            "www.evil",
            "evil。example",
            "a\u{202E}b",
        ] {
            assert_eq!(passkey_in_words(name, added, true), nameless, "{name}");
        }
    }
}
