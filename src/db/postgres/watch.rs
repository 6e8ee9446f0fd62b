//! Polls the log of revocations for the changes of other nodes, on a thread and a connection of
//! its own, so that neither busy cores nor an exhausted pool delay it.

use std::{convert::Infallible, io, thread, time::Duration};

use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use tokio::{
    runtime,
    sync::oneshot,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{log::Log, statements::Statements};
use crate::db::invalidation::Revocations;

const INTERVAL: Duration = Duration::from_millis(50);
/// A connection that does not respond for this long is replaced.
const SILENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(100);
/// The log is trimmed once in this many readings.
const TRIM_EVERY: u32 = 200;

/// Watches until this is dropped, or the pool closed.
pub(super) async fn watch(pool: &Statements, revocations: &Revocations) {
    let (stop, stopped) = oneshot::channel::<Infallible>();
    let (ended, end) = oneshot::channel::<Infallible>();
    let (pool, revocations) = (pool.clone(), revocations.clone());
    let watching = move || {
        let _ended = ended;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                let server = pool.server();
                tokio::select! {
                    _ = stopped => {}
                    () = pool.close_event() => {}
                    _ = follow(&server, &revocations) => {}
                }
            }),
            Err(error) => warn(&error),
        }
    };
    match thread::Builder::new()
        .name("invalidation".into())
        .spawn(watching)
    {
        // Its error is that it has ended.
        Ok(_) => drop(end.await),
        Err(error) => {
            warn(&error);
            sleep(SILENCE).await;
        }
    }
    drop(stop);
}

fn warn(error: &io::Error) {
    tracing::warn!(%error, "no thread to read what other nodes change: nothing is cached");
}

/// Follows the log on one connection after another.
async fn follow(server: &PgConnectOptions, revocations: &Revocations) -> Infallible {
    let mut was_read = true;
    loop {
        let Err(error) = follow_on_one(server, revocations, &mut was_read).await;
        revocations.lose_sync();
        // Once, not for each try while the database is away.
        if was_read {
            tracing::warn!(%error, "cannot read what other nodes change");
        }
        was_read = false;
        sleep(PAUSE).await;
    }
}

/// Follows the log on one connection, until it fails.
async fn follow_on_one(
    server: &PgConnectOptions,
    revocations: &Revocations,
    was_read: &mut bool,
) -> sqlx::Result<Infallible> {
    let mut conn = in_time(server.connect()).await?;
    let mut log = in_time(Log::begin(&mut conn)).await?;
    // Nobody knows what was revoked before.
    revocations.revoke_all();

    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_trim = TRIM_EVERY;
    loop {
        interval.tick().await;
        let news = in_time(log.read(&mut conn)).await?;
        for whose in news.revoked {
            match whose {
                Some(id) => revocations.revoke([id.into()]),
                None => revocations.revoke_all(),
            }
        }
        revocations.synced_at(news.moment);
        *was_read = true;
        until_trim -= 1;
        if until_trim == 0 {
            let is_more = in_time(log.trim(&mut conn)).await?;
            until_trim = if is_more { 1 } else { TRIM_EVERY };
        }
    }
}

async fn in_time<T>(asked: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    timeout(SILENCE, asked)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}
