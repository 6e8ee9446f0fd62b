//! Random `Cookie` headers, told apart as well-formed ones must be.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tower_sessions::session::Id;

use super::{Secret, generate_secret_key};
use super::{token::testing::token, *};
use crate::fuzz::{fuzz, spoilt};

/// One cookie of a request; what stands in it, and for the session cookie what is right.
#[derive(Clone, Debug)]
enum Value {
    Signed(i128),
    /// As older versions did, the secret id alone.
    SignedAlone(i128),
    SignedByFallback(i128),
    SignedByStranger(i128),
    /// The signature of one token before another.
    Swapped(i128, i128),
    Text(String),
}

const NAMES: &[&str] = &[
    "session", "session", "Session", "sessions", "xsession", "", "a",
];
const SEPARATORS: &[&str] = &[";", "; ", " ; ", ";;", "; a=b;\t"];
const WORDS: &[&str] = &[
    "session=", "; ", "=", ",", "\"", "%3D", "+", "/", " ", "session",
];

/// Several `Cookie` headers, each of several pairs.
fn pairs() -> impl Strategy<Value = Vec<Vec<(&'static str, Value, &'static str)>>> {
    let value = prop_oneof![
        any::<i128>().prop_map(Value::Signed),
        any::<i128>().prop_map(Value::SignedAlone),
        any::<i128>().prop_map(Value::SignedByFallback),
        any::<i128>().prop_map(Value::SignedByStranger),
        (any::<i128>(), any::<i128>()).prop_map(|(one, other)| Value::Swapped(one, other)),
        "[ -:<-~]{0,80}".prop_map(Value::Text),
    ];
    let (names, separators) = (
        prop::sample::select(NAMES),
        prop::sample::select(SEPARATORS),
    );
    let header = prop::collection::vec((names, value, separators), 0..4);
    prop::collection::vec(header, 0..3)
}

/// A ring of two keys, each of them alone, and a key that is not in it.
struct Keys {
    cookie: SessionCookie,
    current: KeyRing,
    fallback: KeyRing,
    stranger: KeyRing,
}

impl Keys {
    fn new() -> Self {
        let secret = || Secret::signing_key(&generate_secret_key()).unwrap();
        let (current, fallback) = (secret(), secret());
        let ring = KeyRing::new(&current, std::slice::from_ref(&fallback));
        Self {
            cookie: SessionCookie::new(ring, Duration::from_secs(60), false),
            current: KeyRing::new(&current, &[]),
            fallback: KeyRing::new(&fallback, &[]),
            stranger: KeyRing::new(&secret(), &[]),
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Signed(number) => self.current.sign(token(*number)),
            Value::SignedAlone(number) => self.current.sign(Id(*number).into()),
            Value::SignedByFallback(number) => self.fallback.sign(token(*number)),
            Value::SignedByStranger(number) => self.stranger.sign(token(*number)),
            Value::Swapped(one, other) => {
                let (one, other) = (
                    self.current.sign(token(*one)),
                    self.current.sign(token(*other)),
                );
                format!("{}{}", &one[..44], &other[44..])
            }
            Value::Text(text) => text.clone(),
        }
    }

    fn headers(&self, pairs: &[Vec<(&str, Value, &str)>]) -> Vec<Vec<u8>> {
        let header = |pairs: &Vec<(&str, Value, &str)>| {
            let pairs = pairs
                .iter()
                .map(|(name, value, separator)| format!("{name}={}{separator}", self.text(value)));
            pairs.collect::<String>().into_bytes()
        };
        pairs.iter().map(header).collect()
    }

    fn read(&self, headers: &[Vec<u8>]) -> Result<Verified, NoSession> {
        let values = headers
            .iter()
            .filter_map(|value| HeaderValue::from_bytes(value).ok());
        let headers = values.map(|value| (header::COOKIE, value)).collect();
        let value = self.cookie.value(&headers);
        let verify = |value| self.cookie.verify(value).ok_or(NoSession::BadSignature);
        let found = value.and_then(verify);
        let named = self.cookie.signed_tokens(&headers);
        let sent = self.cookie.read(&headers);
        assert_eq!(sent.session, value, "the two readers");
        assert!(
            found.map_or(true, |found| named == [found.token]),
            "{named:?}"
        );
        found
    }
}

/// Which session well-formed pairs name.
fn expected(pairs: &[Vec<(&str, Value, &str)>]) -> Result<Verified, NoSession> {
    let mut ours = pairs
        .iter()
        .flatten()
        .filter(|(name, ..)| *name == "session");
    let verified = |token, stale| Ok(Verified { token, stale });
    match (ours.next(), ours.next()) {
        (None, _) => Err(NoSession::NoCookie),
        (Some(_), Some(_)) => Err(NoSession::SentTwice),
        (Some((_, value, _)), None) => match value {
            Value::Signed(number) => verified(token(*number), false),
            Value::SignedAlone(number) => verified(Id(*number).into(), true),
            Value::SignedByFallback(number) => verified(token(*number), true),
            Value::Swapped(one, other) if one == other => verified(token(*one), false),
            _ => Err(NoSession::BadSignature),
        },
    }
}

#[test]
#[ignore = "scripts/fuzz runs it"]
fn fuzz_session_cookie() {
    let keys = Keys::new();
    fuzz("session cookie", pairs, |pairs| {
        prop_assert_eq!(keys.read(&keys.headers(&pairs)), expected(&pairs));
        Ok(())
    });
}

#[test]
#[ignore = "scripts/fuzz runs it"]
fn fuzz_spoilt_session_cookie() {
    let keys = Keys::new();
    let strategy = || {
        // The spoiling is of bytes; the keys that sign them are known here alone.
        let pairs = pairs().prop_map(|pairs| keys.headers(&pairs));
        pairs.prop_flat_map(|headers| {
            let spoil = |header| spoilt(Just(header), WORDS);
            headers.into_iter().map(spoil).collect::<Vec<_>>()
        })
    };
    fuzz("spoilt session cookie", strategy, |headers| {
        let Ok(Verified { token, stale }) = keys.read(&headers) else {
            return Ok(());
        };
        let is_whole = token.public_id.is_some();
        let ring = if stale && is_whole {
            &keys.fallback
        } else {
            &keys.current
        };
        // As another parser splits them: the value is whole, and the only one of the name.
        let split = headers.iter().flat_map(|header| {
            let header = String::from_utf8_lossy(header).into_owned();
            Cookie::split_parse(header).filter_map(Result::ok)
        });
        let values: Vec<_> = split
            .filter(|pair| pair.name() == "session")
            .map(|pair| pair.value().to_owned())
            .collect();
        prop_assert!(values.contains(&ring.sign(token)), "{:?}", values);
        Ok(())
    });
}
