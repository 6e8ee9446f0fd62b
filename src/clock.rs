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
use tokio::time::sleep;
use utoipa::{PartialSchema, ToSchema, openapi};
use uuid::{ClockSequence, Uuid};

/// How far the clocks of two nodes may differ. A moment that is further in the future was taken before a
/// clock was set back.
pub(crate) const CLOCKS_APART: Duration = Duration::from_secs(60);

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

    /// The first of the ids that may be made at this moment.
    pub(crate) fn first_id(self) -> Uuid {
        let (seconds, nanos) = self.unix();
        let millis = seconds * 1_000 + u64::from(nanos / 1_000_000);
        uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
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
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Function(Arc<dyn Fn() -> Timestamp + Send + Sync>),
}

/// The system's clock may be set, and a machine that sleeps stops timers.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// A test moves its clock without telling anybody.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that returns what `now` returns, for tests.
    pub fn from_fn(now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Source::Function(Arc::new(move || now().into())))
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "this is where it is read")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => SystemTime::now().into(),
            Source::Function(now) => now(),
        }
    }

    /// Waits until this clock shows `moment`, also when it is moved meanwhile.
    pub(crate) async fn reach(&self, moment: Timestamp) {
        let longest = match &self.0 {
            Source::System => LONGEST_SLEEP,
            Source::Function(_) => POLL_INTERVAL,
        };
        loop {
            match moment.since(self.now()) {
                Duration::ZERO => return,
                left => sleep(left.min(longest)).await,
            }
        }
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
        assert!((earlier..ids[0]).contains(&moment.first_id()));
    }

    #[tokio::test]
    async fn a_moment_is_reached_by_either_clock() {
        let system = Clock::system();
        let soon = system.now().after(Duration::from_millis(5));
        system.reach(soon).await;
        assert!(system.now() >= soon);

        let seconds = Arc::new(AtomicU64::new(0));
        let start = datetime!(2026-01-31 12:00 UTC);
        let clock = {
            let seconds = seconds.clone();
            let shown = move || seconds.load(Ordering::Relaxed);
            Clock::from_fn(move || start + Duration::from_secs(shown()))
        };
        let hour = Duration::from_secs(60 * 60);
        let in_an_hour = Timestamp::from(start).after(hour);
        let waiting = tokio::spawn(async move { clock.reach(in_an_hour).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        seconds.store(hour.as_secs(), Ordering::Relaxed);
        assert!(waiting.await.is_ok());
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
