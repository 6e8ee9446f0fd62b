//! What the fuzz targets share: how long they run, and how good input is spoilt.
//! `scripts/fuzz` runs them; a plain `cargo test` skips them.

#![allow(clippy::panic, clippy::print_stdout)]

use std::time::{Duration, Instant};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{TestCaseResult, TestError, TestRunner},
};

/// How many cases run between two looks at the clock.
const CASES_AT_ONCE: u32 = 2_000;
const MAX_CHANGES: usize = 4;

/// Checks values of `strategy`, new ones each time, until `FUZZ_SECONDS` are over. What fails
/// is made as small as it gets and shown.
pub fn fuzz<S: Strategy>(
    target: &str,
    strategy: impl Fn() -> S,
    check: impl Fn(S::Value) -> TestCaseResult,
) {
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(1);
    let began = Instant::now();
    let mut cases = 0_u64;
    while began.elapsed() < Duration::from_secs(seconds) {
        let mut runner = TestRunner::new(ProptestConfig {
            cases: CASES_AT_ONCE,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        match runner.run(&strategy(), &check) {
            Ok(()) => {}
            Err(TestError::Fail(why, input)) => panic!("fuzz {target}: {why}\nfor {input:?}"),
            Err(TestError::Abort(why)) => panic!("fuzz {target}: {why}"),
        }
        cases += u64::from(CASES_AT_ONCE);
    }
    println!("fuzz {target}: {cases} cases in {seconds} s");
}

/// `valid` input after a few changes, with words of `dictionary` among what is put in.
pub fn spoilt(
    valid: impl Strategy<Value = Vec<u8>>,
    dictionary: &'static [&'static str],
) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec(change(dictionary), 1..=MAX_CHANGES);
    (valid, changes).prop_map(|(mut bytes, changes)| {
        for change in changes {
            change.make(&mut bytes);
        }
        bytes
    })
}

#[derive(Clone, Debug)]
enum Change {
    FlipBit(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    PercentEncode(Index),
    Quote(Index, Index),
}

fn change(dictionary: &'static [&'static str]) -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    let word = prop::sample::select(dictionary).prop_map(|word| word.as_bytes().to_vec());
    let inserted = prop_oneof![
        2 => word,
        1 => prop::collection::vec(any::<u8>(), 1..8),
        1 => any::<String>().prop_map(String::into_bytes),
    ];
    prop_oneof![
        (index(), 0..8_u8).prop_map(|(at, bit)| Change::FlipBit(at, bit)),
        (index(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (index(), index()).prop_map(|(from, to)| Change::Cut(from, to)),
        (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (index(), index()).prop_map(|(one, other)| Change::Swap(one, other)),
        index().prop_map(Change::PercentEncode),
        (index(), index()).prop_map(|(from, to)| Change::Quote(from, to)),
    ]
}

impl Change {
    fn make(self, bytes: &mut Vec<u8>) {
        let places = bytes.len() + 1;
        let range = |from: Index, to: Index| {
            let (from, to) = (from.index(places), to.index(places));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Insert(at, new) => drop(bytes.splice(at.index(places)..at.index(places), new)),
            _ if bytes.is_empty() => {}
            Self::FlipBit(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
            Self::Cut(from, to) => drop(bytes.drain(range(from, to))),
            Self::Repeat(from, to) => {
                let again = bytes[range(from, to)].to_vec();
                bytes.extend(again);
            }
            Self::Swap(one, other) => bytes.swap(one.index(places - 1), other.index(places - 1)),
            Self::PercentEncode(at) => {
                let at = at.index(places - 1);
                let encoded = format!("%{:02X}", bytes[at]);
                bytes.splice(at..=at, encoded.into_bytes());
            }
            Self::Quote(from, to) => {
                let range = range(from, to);
                bytes.insert(range.end, b'"');
                bytes.insert(range.start, b'"');
            }
        }
    }
}
