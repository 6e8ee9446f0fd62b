//! Time, passed in: production reads the system clock, tests move their own.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer};
use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339};
use utoipa::{PartialSchema, ToSchema, openapi};
use uuid::{ClockSequence, Uuid};

/// A moment in UTC, to the microsecond: what both databases can keep.
/// Serializes as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Microseconds since 1970: every request compares moments, and a plain number is cheap.
    micros: i64,
}

impl Timestamp {
    /// This moment plus a duration, saturating.
    pub fn after(self, duration: Duration) -> Self {
        Self::from_unix_micros(self.micros.saturating_add(micros(duration)))
    }

    /// This moment minus a duration, saturating.
    pub fn before(self, duration: Duration) -> Self {
        Self::from_unix_micros(self.micros.saturating_sub(micros(duration)))
    }

    /// Seconds since 1970, and nanoseconds.
    pub fn unix(self) -> (u64, u32) {
        let since = self.since(Self { micros: 0 });
        (since.as_secs(), since.subsec_nanos())
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.micros.saturating_sub(earlier.micros);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default())
    }

    /// A fresh id that sorts where this moment belongs (UUID version 7), after those that this
    /// process has made for the same millisecond.
    pub fn new_id(self) -> Uuid {
        let (seconds, nanos) = self.unix();
        Uuid::new_v7(uuid::Timestamp::from_unix(IdCounter, seconds, nanos))
    }

    /// The microseconds since 1970.
    pub fn unix_micros(self) -> i64 {
        self.micros
    }

    /// The moment this many microseconds after 1970.
    pub fn from_unix_micros(micros: i64) -> Self {
        Self { micros }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        // Years up to 9999 fit thirty times over.
        let seconds = moment.unix_timestamp().saturating_mul(1_000_000);
        Self::from_unix_micros(seconds.saturating_add(moment.microsecond().into()))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let start = Self::from_unix_micros(0);
        match moment.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => start.after(since),
            Err(error) => start.before(error.duration()),
        }
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(timestamp: Timestamp) -> Self {
        let nanos = i128::from(timestamp.micros) * 1_000;
        let end = match timestamp.micros {
            ..0 => PrimitiveDateTime::MIN,
            0.. => PrimitiveDateTime::MAX,
        };
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(end.assume_utc())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            &OffsetDateTime::from(*self)
                .format(&Rfc3339)
                .map_err(|_| fmt::Error)?,
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        time::serde::rfc3339::serialize(&OffsetDateTime::from(*self), serializer)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::ObjectBuilder::new()
            .schema_type(openapi::schema::Type::String)
            .format(Some(openapi::SchemaFormat::KnownFormat(
                openapi::KnownFormat::DateTime,
            )))
            .examples(["2026-01-31T12:00:00.123456Z"])
            .into()
    }
}

impl ToSchema for Timestamp {}

/// Tells ids of one millisecond apart and keeps their order.
struct IdCounter;

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl ClockSequence for IdCounter {
    type Output = u64;

    fn generate_sequence(&self, _: u64, _: u32) -> u64 {
        NEXT_ID.fetch_add(1, Ordering::Relaxed) & ((1 << Self::BITS) - 1)
    }

    fn usable_bits(&self) -> usize {
        Self::BITS
    }
}

impl IdCounter {
    /// The rest of an id is random.
    const BITS: usize = 42;
}

/// The source of the present time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "this is where it is read")]
    pub fn system() -> Self {
        Self(Arc::new(|| SystemTime::now().into()))
    }

    /// A clock that returns what `now` returns, for tests.
    pub fn from_fn(now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || now().into()))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn ids_sort_as_their_moments_do_and_in_order_within_one() {
        let moment = Timestamp::from(datetime!(2026-01-31 12:00 UTC));
        let ids: Vec<_> = (0..1000).map(|_| moment.new_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        let earlier = moment.before(Duration::from_millis(1)).new_id();
        assert!(earlier < ids[0]);
    }

    #[test]
    fn to_the_microsecond_before_and_after_1970() {
        for moment in [
            datetime!(2026-01-31 12:00:00.123456 UTC),
            datetime!(1969-12-31 23:59:59.999999 UTC),
            datetime!(9999-12-31 23:59:59.999999 UTC),
            datetime!(-9999-01-01 00:00 UTC),
        ] {
            assert_eq!(OffsetDateTime::from(Timestamp::from(moment)), moment);
        }
        let finer = datetime!(2026-01-31 14:00:00.123456789 +2);
        let kept = datetime!(2026-01-31 12:00:00.123456 UTC);
        assert_eq!(OffsetDateTime::from(Timestamp::from(finer)), kept);
        let end = Timestamp::from(kept).after(Duration::MAX);
        assert_eq!(OffsetDateTime::from(end).year(), 9999);
    }
}
