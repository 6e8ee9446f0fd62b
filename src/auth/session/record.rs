//! A session's record: the values of handlers, and who is logged in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use uuid::Uuid;

use super::live::LiveSession;
use crate::{auth::user::User, clock::Timestamp, http::Error};

/// The most bytes that the record of a session may take.
pub const MAX_SESSION_BYTES: usize = 64 * 1024;

pub(crate) type Data = HashMap<String, Value>;

/// The login as the record has it, for handlers to read. Whether somebody *is* logged in is
/// decided by the row's `user_id` column, which no handler can write.
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

/// A record that expires at `expires_at`.
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

/// Encodes a record that replaces one of `old_length` bytes.
///
/// # Errors
/// [`Error::SessionValues`] when it is too long.
pub(crate) fn encode_to_store(record: &Record, old_length: usize) -> Result<Vec<u8>, Error> {
    let data = encode(record).map_err(|error| Error::SessionValues(error.to_string()))?;
    check_length(data.len(), old_length).map_err(Error::SessionValues)?;
    Ok(data)
}

/// Checks the length of a record that replaces one of `old` bytes. One that is over the limit
/// already may shrink step by step.
///
/// # Errors
/// The message for the developer.
fn check_length(new: usize, old: usize) -> Result<(), String> {
    if new <= MAX_SESSION_BYTES.max(old) {
        return Ok(());
    }
    Err(format!(
        "the session's values take {new} bytes, more than the {MAX_SESSION_BYTES} that are kept"
    ))
}

/// The record of a session whose own cannot be decoded: no values but those of the login.
pub(crate) fn repaired(id: Id, session: Option<&LiveSession>, expires_at: Timestamp) -> Record {
    log_corrupt(session);
    let user = session.and_then(|session| session.user.as_ref());
    let log_in = user.map(|user| LogInData::of(user).into_values());
    let data = log_in.into_iter().flatten().collect();
    Record {
        id,
        ..new_record(data, expires_at)
    }
}

/// The values of a record that is replaced; none if it is corrupt.
pub(crate) fn values_or_none(bytes: &[u8], session: Option<&LiveSession>) -> Data {
    decode(bytes).map_or_else(
        |_| {
            log_corrupt(session);
            Data::new()
        },
        |record| record.data,
    )
}

/// The error itself stays out of the log: it may quote values.
fn log_corrupt(session: Option<&LiveSession>) {
    let session = session.map(|session| tracing::field::display(session.public_id));
    tracing::warn!(
        session,
        "a session's record is corrupt: it is treated as empty"
    );
}

/// The record as the upstream store wrote it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, rmp_serde::decode::Error> {
    rmp_serde::from_slice(bytes)
}

/// Applies a request's changes since it `loaded` the values to the values as they are `now`, so
/// that two requests that write different keys keep both. The keys of the login are read-only.
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
    fn a_record_grows_to_the_limit_and_a_larger_one_shrinks() {
        assert!(check_length(MAX_SESSION_BYTES, 0).is_ok());
        assert!(check_length(MAX_SESSION_BYTES + 1, 0).is_err());
        assert!(check_length(MAX_SESSION_BYTES + 1, MAX_SESSION_BYTES + 1).is_ok());
        assert!(check_length(MAX_SESSION_BYTES + 2, MAX_SESSION_BYTES + 1).is_err());
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
