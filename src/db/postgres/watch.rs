//! Hears what other nodes change: by notification, and from a log for what was missed.

use std::{
    collections::HashSet,
    convert::Infallible,
    time::{Duration, Instant},
};

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use uuid::Uuid;

use crate::db::invalidation::Revocations;

const CHANNEL: &str = "handstamp_revocations";
const INTERVAL: Duration = Duration::from_millis(250);
/// A connection that is silent for so long is given up.
const SILENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// How often rows that everybody has read are removed, in intervals.
const PURGE_EVERY: u32 = 240;

/// Hears until the pool is closed.
pub(super) async fn watch(pool: &PgPool, revocations: &Revocations) {
    let mut was_heard = true;
    while !pool.is_closed() {
        let Err(error) = hear(pool, revocations, &mut was_heard).await;
        revocations.lose_sync();
        // Once, not for each try while the database is away.
        if was_heard && !pool.is_closed() {
            tracing::warn!(%error, "cannot hear what other servers change");
        }
        was_heard = false;
        sleep(PAUSE).await;
    }
}

/// Hears on one connection, until it fails. It is apart from the pool, where it would wait
/// for its turn when many requests do.
async fn hear(
    pool: &PgPool,
    revocations: &Revocations,
    was_heard: &mut bool,
) -> sqlx::Result<Infallible> {
    let own = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SILENCE)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(pool.connect_options().as_ref().clone());
    let mut listener = PgListener::connect_with(&own).await?;
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    let mut log = Log::begin(&mut listener).await?;
    // What was kept before counts for nothing: nobody listened then.
    revocations.revoke_all();

    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rounds = 0;
    loop {
        tokio::select! {
            heard = listener.try_recv() => match heard?.map(|told| told.payload().parse::<Uuid>()) {
                Some(Ok(id)) => revocations.revoke([id.into()]),
                Some(Err(_)) => revocations.revoke_all(),
                None => return Err(sqlx::Error::Protocol("the connection is lost".into())),
            },
            _ = interval.tick() => {
                if pool.is_closed() {
                    return Err(sqlx::Error::PoolClosed);
                }
                let moment = Instant::now();
                for whose in log.read(&mut listener).await? {
                    match whose {
                        Some(id) => revocations.revoke([id.into()]),
                        None => revocations.revoke_all(),
                    }
                }
                revocations.synced_at(moment);
                *was_heard = true;
                rounds += 1;
                if rounds % PURGE_EVERY == 0 {
                    purge(&mut listener).await?;
                }
            }
        }
    }
}

/// The log of revocations, read from where the last reading ended.
struct Log {
    /// Every transaction before this one had ended at the last reading.
    from: String,
    /// Those of the rows after it that were read already.
    read: HashSet<i64>,
}

impl Log {
    async fn begin(listener: &mut PgListener) -> sqlx::Result<Self> {
        let from = sqlx::query_scalar("select pg_snapshot_xmin(pg_current_snapshot())::text")
            .fetch_one(listener);
        Ok(Self {
            from: in_time(from).await?,
            read: HashSet::new(),
        })
    }

    /// What is new. Fails also when the tables are not there.
    async fn read(&mut self, listener: &mut PgListener) -> sqlx::Result<Vec<Option<Uuid>>> {
        type Row = (String, bool, Option<i64>, Option<Uuid>);
        let rows = sqlx::query_as(
            "select pg_snapshot_xmin(s.seen)::text, exists (select from sessions, users where false),
                    r.number, r.whose
             from (select pg_current_snapshot() as seen) s
             left join revocations r on r.xid >= $1::xid8",
        )
        .bind(self.from.clone())
        .fetch_all(listener);
        let rows: Vec<Row> = in_time(rows).await?;
        let mut numbers = HashSet::new();
        let mut new = Vec::new();
        for (xmin, _, number, whose) in rows {
            self.from = xmin;
            if let Some(number) = number {
                if !self.read.contains(&number) {
                    new.push(whose);
                }
                numbers.insert(number);
            }
        }
        self.read = numbers;
        Ok(new)
    }
}

/// Long after every server has read them, one whose transaction took minutes to commit included.
async fn purge(listener: &mut PgListener) -> sqlx::Result<()> {
    let old = "delete from revocations where revoked_at < now() - interval '10 minutes'";
    in_time(sqlx::query(old).execute(listener)).await.map(drop)
}

async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(SILENCE, asked)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
