//! Learns of changes by other nodes: from notifications, and from a log for those missed.

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
/// A connection that is silent for this long is abandoned.
const SILENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
/// How often rows that every node has read are removed, in intervals.
const PURGE_EVERY: u32 = 240;

/// Listens until the pool is closed.
pub(super) async fn watch(pool: &PgPool, revocations: &Revocations) {
    let mut is_listening = true;
    while !pool.is_closed() {
        let Err(error) = listen(pool, revocations, &mut is_listening).await;
        revocations.lose_sync();
        // Once, not for each try while the database is away.
        if is_listening && !pool.is_closed() {
            tracing::warn!(%error, "cannot listen for changes by other nodes");
        }
        is_listening = false;
        sleep(PAUSE).await;
    }
}

/// Listens on one connection until it fails. The connection is not the pool's, where it would queue
/// behind requests.
async fn listen(
    pool: &PgPool,
    revocations: &Revocations,
    is_listening: &mut bool,
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
                *is_listening = true;
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
    /// The later rows that were read already.
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

    /// Reads the new rows. Fails also when the tables are missing.
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

/// Removes rows once every node has read them, also those that took minutes to commit.
async fn purge(listener: &mut PgListener) -> sqlx::Result<()> {
    let old = "delete from revocations where revoked_at < now() - interval '10 minutes'";
    in_time(sqlx::query(old).execute(listener)).await.map(drop)
}

async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(SILENCE, asked)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
