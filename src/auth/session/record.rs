//! A session's record: the values that handlers keep, and who is logged in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use uuid::Uuid;

use crate::auth::account::user::User;
use crate::clock::Timestamp;

pub(crate) type Data = HashMap<String, Value>;

/// What the record says of a log-in. For handlers to read; that somebody *is* logged in
/// hangs on the row's `user_id` column, which no handler can write.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct LogInData {
    pub user_id: Uuid,
    pub username: String,
    pub logged_in: bool,
}

impl LogInData {
    pub fn of(user: &User) -> Self {
        Self {
            user_id: user.id,
            username: user.username.clone(),
            logged_in: true,
        }
    }

    /// The values under their keys in the record.
    pub fn into_values(self) -> impl Iterator<Item = (String, Value)> {
        let values = match serde_json::to_value(self) {
            Ok(Value::Object(values)) => values,
            _ => serde_json::Map::new(),
        };
        values.into_iter()
    }
}

/// A record that is over at `expires_at`.
pub(crate) fn new_record(data: Data, expires_at: Timestamp) -> Record {
    Record {
        id: Id::default(),
        data,
        expiry_date: OffsetDateTime::from(expires_at),
    }
}

/// The record as the upstream store writes it.
pub(crate) fn encode(record: &Record) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    rmp_serde::to_vec(record)
}

/// The record as the upstream store wrote it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

/// What a request did to the values it had `loaded`, done to the values as they are `now`:
/// two requests that write different keys keep both. The log-in's own keys are not theirs
/// to write.
pub(crate) fn merge(loaded: &Data, written: &Data, now: &mut Data) {
    let reserved: Vec<String> = LogInData::default()
        .into_values()
        .map(|(key, _)| key)
        .collect();
    for (key, value) in written {
        if !reserved.contains(key) && loaded.get(key) != Some(value) {
            now.insert(key.clone(), value.clone());
        }
    }
    now.retain(|key, _| {
        reserved.contains(key) || written.contains_key(key) || !loaded.contains_key(key)
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    fn data(values: &[(&str, Value)]) -> Data {
        values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    #[test]
    fn two_writers_of_different_keys_keep_both() {
        let loaded = data(&[("a", json!(1)), ("b", json!(1)), ("c", json!(1))]);
        let mut now = data(&[
            ("a", json!(1)),
            ("b", json!(2)),
            ("c", json!(1)),
            ("d", json!(4)),
        ]);
        let written = data(&[("a", json!(9)), ("b", json!(1)), ("e", json!(5))]);
        merge(&loaded, &written, &mut now);
        let both = [
            ("a", json!(9)),
            ("b", json!(2)),
            ("d", json!(4)),
            ("e", json!(5)),
        ];
        assert_eq!(now, data(&both));
    }

    #[test]
    fn nobody_writes_the_log_in() {
        let log_in = data(&[
            ("user_id", json!("u")),
            ("username", json!("n")),
            ("logged_in", json!(true)),
        ]);
        let mut now = log_in.clone();
        merge(&log_in, &Data::new(), &mut now);
        assert_eq!(now, log_in);
        merge(
            &log_in,
            &data(&[("user_id", json!("somebody else"))]),
            &mut now,
        );
        assert_eq!(now, log_in);
    }

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_session_records() {
        let record = || {
            let values = prop::collection::hash_map("[a-z]{0,8}", "[ -~é]{0,20}", 0..6);
            (any::<i128>(), values, 0..4_000_000_000_i64).prop_map(|(id, values, at)| {
                let data = values
                    .into_iter()
                    .map(|(key, value)| (key, json!({"a": [value, 1.5, null]})));
                let expiry_date = OffsetDateTime::from_unix_timestamp(at);
                let expiry_date = expiry_date.unwrap_or(OffsetDateTime::UNIX_EPOCH);
                encode(&Record {
                    id: Id(id),
                    data: data.collect(),
                    expiry_date,
                })
                .unwrap_or_default()
            })
        };
        let bytes = prop::collection::vec(any::<u8>(), 0..200);
        let rows = || prop_oneof![1 => record().boxed(), 3 => spoilt(record(), WORDS).boxed(), 1 => bytes.clone().boxed()];
        fuzz("session records", rows, |row| {
            let Ok(record) = decode(&row) else {
                return Ok(());
            };
            let again = encode(&record).ok().and_then(|bytes| decode(&bytes).ok());
            let again = again.ok_or_else(|| TestCaseError::fail("cannot be written again"))?;
            prop_assert_eq!((again.id, &again.data), (record.id, &record.data));
            let mut now = record.data.clone();
            merge(&record.data, &Data::new(), &mut now);
            prop_assert!(
                now.keys()
                    .all(|key| ["user_id", "username", "logged_in"].contains(&&**key))
            );
            Ok(())
        });
    }

    const WORDS: &[&str] = &["\u{7f}", "user_id", "\0\0\0\0"];
}
