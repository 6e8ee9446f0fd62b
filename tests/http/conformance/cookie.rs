//! The cookie's attributes and content.

use std::collections::HashSet;

use super::{rows, subject::Subject};

rows!(
    is_http_only,
    is_same_site,
    names_no_domain,
    is_gone_in_time,
    holds_no_data_of_the_user,
    is_never_the_same_twice,
    two_of_the_name_are_refused,
    counts_in_the_cookie_header_alone,
);

async fn is_http_only(subject: Subject) {
    let set = subject.log_in().await;
    assert!(set.attributes.contains(&"httponly".to_owned()), "{set:?}");
}

async fn is_same_site(subject: Subject) {
    let set = subject.log_in().await;
    let is_strict_enough =
        |attribute: &String| ["samesite=lax", "samesite=strict"].contains(&&**attribute);
    assert!(set.attributes.iter().any(is_strict_enough), "{set:?}");
}

async fn names_no_domain(subject: Subject) {
    let set = subject.log_in().await;
    let is_domain = |attribute: &String| attribute.starts_with("domain");
    assert!(!set.attributes.iter().any(is_domain), "{set:?}");
    assert!(set.attributes.contains(&"path=/".to_owned()), "{set:?}");
}

/// Its copy in a browser's profile does not outlive the session.
async fn is_gone_in_time(subject: Subject) {
    let set = subject.log_in().await;
    let value = |name: &str| {
        let attribute = set.attributes.iter().find_map(|a| a.strip_prefix(name));
        attribute.map(str::to_owned)
    };
    let seconds = value("max-age=").map(|seconds| seconds.parse::<u64>().unwrap());
    let is_for_the_browsing_session = value("expires=").is_none() && seconds.is_none();
    let a_month = 31 * 24 * 60 * 60;
    assert!(
        is_for_the_browsing_session || seconds.is_some_and(|seconds| seconds <= a_month),
        "{set:?}"
    );
}

async fn holds_no_data_of_the_user(subject: Subject) {
    let set = subject.log_in().await;
    for part in set.value.split(['.', '%', '-', '_', ':']) {
        let decoded = from_base64(part);
        let decoded = String::from_utf8_lossy(&decoded).to_lowercase();
        assert!(!decoded.contains("jackson"), "{set:?}");
    }
}

/// Every part of a text that is base64 in either alphabet, decoded.
fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let groups = digits.chunks(4).flat_map(|group| {
        let bits = group.iter().fold(0, |bits, digit| bits << 6 | digit);
        let bits = bits << (6 * (4 - group.len()));
        [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]
    });
    groups.collect()
}

async fn is_never_the_same_twice(subject: Subject) {
    let mut seen = HashSet::new();
    for _ in 0..50 {
        assert!(seen.insert(subject.log_in().await.value));
    }
}

async fn two_of_the_name_are_refused(subject: Subject) {
    let (one, other) = (subject.log_in().await, subject.log_in().await);
    for (first, second) in [
        (one.pair(), other.pair()),
        (one.pair(), one.with_value("x")),
        (one.with_value("x"), one.pair()),
    ] {
        assert!(!subject.is_logged_in(&format!("{first}; {second}")).await);
    }
}

async fn counts_in_the_cookie_header_alone(subject: Subject) {
    let set = subject.log_in().await;
    let get = |path: &str| subject.request(reqwest::Method::GET, path);
    let in_query = get(&format!("/checklogin?{}", set.pair()));
    assert_eq!(in_query.send().await.unwrap().status(), 401);
    let as_bearer = get("/checklogin").bearer_auth(&set.value);
    assert_eq!(as_bearer.send().await.unwrap().status(), 401);
    let as_header = get("/checklogin").header(&set.name, &set.value);
    assert_eq!(as_header.send().await.unwrap().status(), 401);
}
