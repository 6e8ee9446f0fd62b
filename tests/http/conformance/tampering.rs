//! A changed cookie is never good for anything.

use super::{rows, subject::Subject};

rows!(
    every_changed_character_is_noticed,
    every_cut_is_noticed,
    nothing_can_be_added,
    signatures_are_not_exchangeable,
    a_cookie_without_its_signature_is_refused,
    made_up_cookies_are_refused,
);

async fn every_changed_character_is_noticed(subject: Subject) {
    let set = subject.log_in().await;
    let value: Vec<char> = set.value.chars().collect();
    for at in 0..value.len() {
        // The letter that comes next, so that no bits of padding can hide it.
        for other in ['A', 'b', '0'] {
            let mut changed = value.clone();
            if changed[at] == '%' || changed[at] == other {
                continue;
            }
            changed[at] = other;
            let changed: String = changed.into_iter().collect();
            let cookie = set.with_value(&changed);
            assert!(!subject.is_logged_in(&cookie).await, "{cookie}");
        }
    }
    assert!(subject.is_logged_in(&set.pair()).await);
}

async fn every_cut_is_noticed(subject: Subject) {
    let set = subject.log_in().await;
    for length in 0..set.value.len() {
        let cookie = set.with_value(&set.value[..length]);
        assert!(!subject.is_logged_in(&cookie).await, "{cookie}");
    }
}

async fn nothing_can_be_added(subject: Subject) {
    let set = subject.log_in().await;
    for more in ["A", "=", "%00", ".A", "-"] {
        for cookie in [
            set.with_value(&format!("{}{more}", set.value)),
            set.with_value(&format!("{more}{}", set.value)),
        ] {
            assert!(!subject.is_logged_in(&cookie).await, "{cookie}");
        }
    }
}

async fn signatures_are_not_exchangeable(subject: Subject) {
    let one = subject.log_in().await;
    // Where the time is part of it, another second makes another cookie.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let other = subject.log_in().await;
    let length = one.value.len().min(other.value.len());
    for at in 1..length {
        let mixed = format!("{}{}", &one.value[..at], &other.value[at..]);
        if mixed == one.value || mixed == other.value {
            continue;
        }
        assert!(!subject.is_logged_in(&one.with_value(&mixed)).await, "{at}");
    }
}

async fn a_cookie_without_its_signature_is_refused(subject: Subject) {
    let set = subject.log_in().await;
    // The signature comes first, 44 characters of base64, or last, behind a dot.
    let ours = set.value.get(44..).unwrap_or_default();
    let behind_dot = set.value.rsplit_once('.').map_or("", |(value, _)| value);
    for bare in [ours, behind_dot] {
        assert!(!subject.is_logged_in(&set.with_value(bare)).await, "{bare}");
    }
}

async fn made_up_cookies_are_refused(subject: Subject) {
    let set = subject.log_in().await;
    for value in [
        "",
        "Jackson",
        "null",
        "true",
        "1",
        "eyJ1c2VybmFtZSI6IkphY2tzb24ifQ",
        "eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6IkphY2tzb24ifQ.",
        "s%3AJackson.",
        "../../etc/passwd",
        "' or '1'='1",
        &"A".repeat(4000),
    ] {
        assert!(
            !subject.is_logged_in(&set.with_value(value)).await,
            "{value}"
        );
    }
}
