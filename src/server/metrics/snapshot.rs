//! What [`Auth`](crate::Auth) counts by itself, copied at each scrape.

use std::sync::{Mutex, PoisonError};

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::auth::Statistics;

/// The metrics that are copied from [`Statistics`].
#[derive(Debug)]
pub(super) struct Snapshot {
    logins: [IntCounter; 5],
    session_cache_hits: IntCounter,
    session_cache_misses: IntCounter,
    password_hash_queue: IntGauge,
    db_pool_in_use: IntGauge,
    db_pool_size: IntGauge,
    revocation_lag: Gauge,
    purged_rows: IntCounter,
    event_streams: IntGauge,
    device_registrations: IntCounter,
    device_refreshes: IntCounter,
    device_proofs_refused: IntCounter,
    /// One scrape at a time: a counter is raised by what is new since the last one.
    setting: Mutex<()>,
}

impl Snapshot {
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let logins = Opts::new("handstamp_logins_total", "Logins, by outcome.");
        let logins = IntCounterVec::new(logins, &["outcome"])?;
        registry.register(Box::new(logins.clone()))?;
        let revocation_lag = Gauge::new(
            "handstamp_revocation_lag_seconds",
            "How long ago the changes of other processes were last read; past 0.8 no cached \
             session is used.",
        )?;
        registry.register(Box::new(revocation_lag.clone()))?;
        // In the order of `outcomes` below; each is there from the start, so that a rate sees
        // the first one.
        let logins = OUTCOMES.map(|outcome| logins.with_label_values(&[outcome]));
        Ok(Self {
            logins,
            session_cache_hits: counter(
                "handstamp_session_cache_hits_total",
                "Requests whose session was in the cache.",
            )?,
            session_cache_misses: counter(
                "handstamp_session_cache_misses_total",
                "Requests whose session was read from the database.",
            )?,
            password_hash_queue: gauge(
                "handstamp_password_hash_queue",
                "Requests that wait for a password to be hashed.",
            )?,
            db_pool_in_use: gauge(
                "handstamp_db_pool_in_use",
                "Connections to the database in use.",
            )?,
            db_pool_size: gauge(
                "handstamp_db_pool_size",
                "Connections to the database, at most.",
            )?,
            revocation_lag,
            purged_rows: counter(
                "handstamp_purged_rows_total",
                "Rows removed because they had expired.",
            )?,
            event_streams: gauge(
                "handstamp_event_streams",
                "Open streams of GET /session/events.",
            )?,
            device_registrations: counter(
                "handstamp_device_registrations_total",
                "Sessions bound to a device.",
            )?,
            device_refreshes: counter(
                "handstamp_device_refreshes_total",
                "Proofs of a device that were renewed.",
            )?,
            device_proofs_refused: counter(
                "handstamp_device_proofs_refused_total",
                "Requests refused, as they did not prove the device of their session.",
            )?,
            setting: Mutex::new(()),
        })
    }

    pub fn set(&self, statistics: &Statistics) {
        let _setting = self.setting.lock().unwrap_or_else(PoisonError::into_inner);
        let logins = &statistics.logins;
        let outcomes = [
            logins.success,
            logins.bad_credentials,
            logins.throttled,
            logins.busy,
            logins.unavailable,
        ];
        for (counter, total) in self.logins.iter().zip(outcomes) {
            raise(counter, total);
        }
        raise(&self.session_cache_hits, statistics.session_cache_hits);
        raise(&self.session_cache_misses, statistics.session_cache_misses);
        raise(&self.purged_rows, statistics.purged_rows);
        raise(&self.device_registrations, statistics.device_registrations);
        raise(&self.device_refreshes, statistics.device_refreshes);
        raise(
            &self.device_proofs_refused,
            statistics.device_proofs_refused,
        );
        set(&self.password_hash_queue, statistics.password_hash_queue);
        set(&self.db_pool_in_use, statistics.db_pool_in_use);
        set(&self.db_pool_size, statistics.db_pool_size);
        set(&self.event_streams, statistics.event_streams);
        self.revocation_lag
            .set(statistics.revocation_lag.as_secs_f64());
    }
}

const OUTCOMES: [&str; 5] = [
    "success",
    "bad_credentials",
    "throttled",
    "busy",
    "unavailable",
];

/// Two scrapes at once may bring their counts in the wrong order; a counter never goes back.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn set(gauge: &IntGauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}
