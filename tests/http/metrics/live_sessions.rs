//! The count of live sessions while the database does not let it be made.

use super::{counts::measured, scrape::Scrape};
use crate::helpers::Kind;

/// A count that cannot be made does not hold the metrics up, nor the next count.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_table_is_counted_again_soon_after() {
    let (database, process, target) = measured(Kind::Postgres, &[]).await;
    process.browser().sign_up("Ann").await;
    let live = |count: f64| move |scrape: &Scrape| scrape.value("handstamp_sessions_live") == count;
    target.scrape_until(live(1.0)).await;
    let pool = sqlx::PgPool::connect(&database.url).await.unwrap();
    let mut freezing = pool.begin().await.unwrap();
    let lock = "lock table sessions in access exclusive mode";
    sqlx::query(lock).execute(&mut *freezing).await.unwrap();
    for _ in 0..20 {
        assert!(live(1.0)(&target.scrape().await), "the last count stays");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    freezing.rollback().await.unwrap();
    process.browser().log_in("Ann").await;
    target.scrape_until(live(2.0)).await;
}

/// With the database away, the other metrics are there all the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_table_the_last_count_stays() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let (database, process, target) = measured(kind, &[]).await;
        process.browser().sign_up("Ann").await;
        let live =
            |count: f64| move |scrape: &Scrape| scrape.value("handstamp_sessions_live") == count;
        target.scrape_until(live(1.0)).await;
        database
            .execute("alter table sessions rename to away")
            .await;
        for _ in 0..12 {
            assert!(live(1.0)(&target.scrape().await), "the last count stays");
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        database
            .execute("alter table away rename to sessions")
            .await;
        process.browser().log_in("Ann").await;
        target.scrape_until(live(2.0)).await;
    }
}
