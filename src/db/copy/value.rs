//! A column's value, the same from whichever database it was read.

use std::ops::RangeInclusive;

use sha2::{Digest, Sha256};
use sqlx::{
    Row, ValueRef,
    postgres::{PgRow, PgValueFormat},
    sqlite::SqliteRow,
};
use uuid::Uuid;

use crate::clock::Timestamp;

/// What both databases can keep, by the type of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Uuid,
    Text,
    Bytes,
    Integer,
    Boolean,
    Time,
}

/// A value, or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Uuid(Option<Uuid>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Time(Option<Timestamp>),
}

/// 2000-01-01, from which PostgreSQL counts.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The years 0 to 9999, which SQLite keeps as text that sorts.
const KEPT: RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

impl Kind {
    /// The kind of a column that was declared with this type; none for one that is not known to
    /// keep the same value on both databases.
    pub fn of(declared: &str) -> Option<Self> {
        Some(match declared.to_ascii_lowercase().as_str() {
            "uuid" => Self::Uuid,
            "text" => Self::Text,
            "bytea" | "blob" => Self::Bytes,
            "bigint" | "integer" | "smallint" => Self::Integer,
            "boolean" => Self::Boolean,
            "timestamptz" | "timestamp with time zone" => Self::Time,
            _ => return None,
        })
    }
}

/// The value at `index` of a row of either database; times are read as `$time` says.
macro_rules! of_row {
    ($row:ident, $index:ident, $kind:ident, $time:expr) => {
        Ok(match $kind {
            Kind::Uuid => Self::Uuid($row.try_get($index)?),
            Kind::Text => Self::Text($row.try_get($index)?),
            Kind::Bytes => Self::Bytes($row.try_get($index)?),
            Kind::Integer => Self::Integer($row.try_get($index)?),
            Kind::Boolean => Self::Boolean($row.try_get($index)?),
            Kind::Time => Self::Time($time?),
        })
    };
}

impl Value {
    pub fn of_sqlite(row: &SqliteRow, index: usize, kind: Kind) -> sqlx::Result<Self> {
        of_row!(row, index, kind, row.try_get(index))
    }

    pub fn of_postgres(row: &PgRow, index: usize, kind: Kind) -> sqlx::Result<Self> {
        of_row!(row, index, kind, postgres_time(row, index))
    }

    /// How many bytes it takes in memory, about.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(Some(text)) => text.len(),
                Self::Bytes(Some(bytes)) => bytes.len(),
                _ => 0,
            }
    }

    /// Adds to a hash what no other value adds, at whatever place.
    pub fn hash(&self, hash: &mut Sha256) {
        match self {
            Self::Uuid(value) => add(hash, b'u', value.as_ref().map(|id| &id.as_bytes()[..])),
            Self::Text(value) => add(hash, b't', value.as_ref().map(String::as_bytes)),
            Self::Bytes(value) => add(hash, b'b', value.as_deref()),
            Self::Integer(value) => {
                add(
                    hash,
                    b'i',
                    value.map(i64::to_be_bytes).as_ref().map(|bytes| &bytes[..]),
                );
            }
            Self::Boolean(value) => {
                add(
                    hash,
                    b'o',
                    value
                        .map(|is| [u8::from(is)])
                        .as_ref()
                        .map(|byte| &byte[..]),
                );
            }
            Self::Time(value) => {
                let micros = value.map(|time| time.unix_micros().to_be_bytes());
                add(hash, b'm', micros.as_ref().map(|bytes| &bytes[..]));
            }
        }
    }
}

/// sqlx itself would panic at an infinite one.
fn postgres_time(row: &PgRow, index: usize) -> sqlx::Result<Option<Timestamp>> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(None);
    }
    let micros = match raw.format() {
        PgValueFormat::Binary => raw.as_bytes().ok().and_then(|bytes| bytes.try_into().ok()),
        PgValueFormat::Text => None,
    };
    // PostgreSQL writes `infinity` as the greatest number.
    let micros = micros.and_then(|bytes| i64::from_be_bytes(bytes).checked_add(POSTGRES_EPOCH));
    match micros.filter(|micros| KEPT.contains(micros)) {
        Some(micros) => Ok(Some(Timestamp::from_unix_micros(micros))),
        None => Err(sqlx::Error::ColumnDecode {
            index: index.to_string(),
            source: "a time without end, or not of the years 0 to 9999".into(),
        }),
    }
}

/// A tag, whether there is a value, its length, and its bytes.
fn add(hash: &mut Sha256, tag: u8, bytes: Option<&[u8]>) {
    hash.update([tag, u8::from(bytes.is_some())]);
    if let Some(bytes) = bytes {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
}
