#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod numbers;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::Connection;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use self::numbers::{Numbers, PATIENCE, Then, insert};

#[tokio::test]
async fn writes_that_wait_share_a_commit() {
    let numbers = Numbers::on_sqlite().await;
    let commits = numbers.count_commits().await;
    let done = numbers.in_one_batch((0..64).map(|_| Then::Nothing)).await;
    for (number, done) in (0..).zip(done) {
        assert_eq!(done.unwrap(), number);
    }
    assert_eq!(numbers.all().await, (0..64).collect::<Vec<_>>());
    assert_eq!(commits.load(Ordering::SeqCst), 1);
    numbers.add(64).await.unwrap();
    assert_eq!(commits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn those_that_fail_in_a_batch_are_rolled_back_alone() {
    let numbers = Numbers::on_sqlite().await;
    let commits = numbers.count_commits().await;
    let fates = [
        Then::Fail,
        Then::Nothing,
        Then::Repeat,
        Then::Panic,
        Then::Nothing,
        Then::Wait,
        Then::Nothing,
        Then::Fail,
    ];
    let done = numbers.in_one_batch(fates).await;
    assert!(matches!(done[0], Err(sqlx::Error::RowNotFound)));
    assert!(matches!(&done[2], Err(error) if error.as_database_error().is_some()));
    assert!(matches!(done[3], Err(sqlx::Error::WorkerCrashed)));
    assert!(matches!(done[5], Err(sqlx::Error::Io(_))));
    assert!(matches!(done[7], Err(sqlx::Error::RowNotFound)));
    assert_eq!(numbers.all().await, [1, 4, 6]);
    assert_eq!(commits.load(Ordering::SeqCst), 1);
    numbers.add(8).await.unwrap();
    assert_eq!(numbers.all().await, [1, 4, 6, 8]);
}

#[tokio::test]
async fn one_that_takes_too_long_is_not_run_again() {
    let numbers = Numbers::on_sqlite().await;
    let times = Arc::new(AtomicU32::new(0));
    let fates = [
        Then::Nothing,
        Then::CountAndWait(times.clone()),
        Then::Fail,
        Then::Nothing,
    ];
    let done = numbers.in_one_batch(fates).await;
    assert!(matches!(done[1], Err(sqlx::Error::Io(_))));
    assert!(matches!(done[2], Err(sqlx::Error::RowNotFound)));
    assert_eq!(numbers.all().await, [0, 3]);
    assert_eq!(times.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_that_takes_too_long_fails_no_other() {
    let numbers = Numbers::on_sqlite().await;
    let fates = (0..20).map(|number| match number {
        10 => Then::Wait,
        15 => Then::Fail,
        _ => Then::Nothing,
    });
    let done = numbers.in_one_batch(fates).await;
    for (number, done) in (0..).zip(done) {
        assert_eq!(
            done.is_err(),
            [10, 15].contains(&number),
            "{number}: {done:?}"
        );
    }
    assert_eq!(numbers.all().await.len(), 18);
}

#[tokio::test]
async fn a_batch_ends_in_time_for_the_caller_with_the_least() {
    let numbers = Numbers::on_sqlite().await;
    let gate = numbers.shut().await;
    let add = |number, patience, then| {
        let numbers = numbers.clone();
        tokio::spawn(async move { numbers.add_within(patience, number, then).await })
    };
    let hurried = add(0, PATIENCE, Then::Nothing);
    let slow = add(1, PATIENCE * 4, Then::Wait);
    let other = add(2, PATIENCE * 4, Then::Nothing);
    gate.open().await;
    assert_eq!(hurried.await.unwrap().unwrap(), 0);
    assert_eq!(other.await.unwrap().unwrap(), 2);
    slow.await.unwrap().unwrap_err();
    assert_eq!(numbers.all().await, [0, 2]);
}

#[tokio::test]
async fn what_its_caller_was_told_has_failed_is_not_committed() {
    let numbers = Numbers::on_sqlite().await;
    let lock = numbers.lock_file().await;
    let late = numbers.spawn(0, Then::Nothing);
    late.await.unwrap().unwrap_err();
    lock.close().await.unwrap();
    let patience = Duration::from_secs(30);
    numbers
        .add_within(patience, 1, Then::Nothing)
        .await
        .unwrap();
    assert_eq!(numbers.all().await, [1]);
}

#[tokio::test]
async fn one_that_fails_alone_leaves_nothing_behind() {
    for numbers in Numbers::on_each().await {
        for fate in [
            Then::Fail,
            Then::Repeat,
            Then::Panic,
            Then::Wait,
            Then::Dangle,
        ] {
            numbers.add_and(1, fate).await.unwrap_err();
            assert!(numbers.all().await.is_empty());
        }
        numbers.add(1).await.unwrap();
        assert_eq!(numbers.all().await, [1]);
    }
}

#[tokio::test]
async fn an_error_that_ends_the_transaction_fails_the_whole_batch() {
    let numbers = Numbers::on_sqlite().await;
    let fates = [Then::Nothing, Then::Fail, Then::EndAll, Then::Nothing];
    let done = numbers.in_one_batch(fates).await;
    assert!(matches!(done[0], Err(sqlx::Error::Io(_))));
    assert!(
        matches!(done[1], Err(sqlx::Error::Io(_))),
        "read what is gone"
    );
    assert!(matches!(done[2], Err(sqlx::Error::RowNotFound)), "its own");
    assert!(matches!(done[3], Err(sqlx::Error::Io(_))));
    assert!(numbers.all().await.is_empty());
    numbers.add(5).await.unwrap();
    assert_eq!(numbers.all().await, [5]);
}

#[tokio::test]
async fn a_constraint_that_is_checked_at_the_commit_fails_one_of_a_batch() {
    let numbers = Numbers::on_sqlite().await;
    let fates = [Then::Nothing, Then::Dangle, Then::Nothing];
    let done = numbers.in_one_batch(fates).await;
    let done: Vec<bool> = done.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true]);
    assert_eq!(numbers.all().await, [0, 2]);
}

#[tokio::test]
async fn writes_are_whole_whenever_their_callers_go_away() {
    for numbers in Numbers::on_each().await {
        for number in 0..200 {
            let add = numbers.add_and(number, Then::Insert(1000 + number));
            // From before it begins to after its end, in no order.
            let _ = timeout(Duration::from_micros(number as u64 * 7_919 % 2_000), add).await;
        }
        // What was handed over is done.
        let mut all = numbers.all().await;
        while all.len() < 400 {
            sleep(Duration::from_millis(5)).await;
            all = numbers.all().await;
            let (low, high) = all.split_at(all.len() / 2);
            assert!(low.iter().zip(high).all(|(low, high)| low + 1000 == *high));
        }
        assert_eq!(all.len(), 400);
    }
}

#[tokio::test]
async fn what_follows_from_a_write_follows_from_its_commit_alone() {
    for numbers in Numbers::on_each().await {
        let logged = Arc::new(AtomicU32::new(0));
        let id = Uuid::from_u128(7);
        let add = async |fate: Then| {
            let add = (numbers.table.clone(), fate, logged.clone(), id);
            let added = numbers.db.write(add, |(table, fate, logged, id), tx| {
                Box::pin(async move {
                    tx.revoke([(*id).into()]);
                    let logged = logged.clone();
                    tx.after_commit(move || {
                        logged.fetch_add(1, Ordering::SeqCst);
                    });
                    insert(tx, table, 1).await?;
                    fate.run(tx, table, 1).await
                })
            });
            added.await
        };
        let before = numbers.db.revocations().stamp();
        let is_good = || numbers.db.revocations().is_good(before, [id.into()]);
        add(Then::Fail).await.unwrap_err();
        assert!(is_good(), "nothing has changed");
        add(Then::Dangle).await.unwrap_err();
        assert!(!is_good(), "it may have been committed");
        assert_eq!(logged.load(Ordering::SeqCst), 0);
        add(Then::Nothing).await.unwrap();
        assert_eq!(logged.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_conflict_is_tried_again_and_not_for_ever() {
    let each = Numbers::on_each().await;
    for numbers in each
        .into_iter()
        .filter(|numbers| numbers.db.postgres_pool().is_some())
    {
        for (number, code) in [(1, "40001"), (2, "40P01")] {
            let conflict = Then::Conflict(code, Arc::new(AtomicU32::new(3)));
            numbers.add_and(number, conflict).await.unwrap();
        }
        let often = Then::Conflict("40001", Arc::new(AtomicU32::new(4)));
        numbers.add_and(3, often).await.unwrap_err();
        let other = Then::Conflict("22012", Arc::new(AtomicU32::new(1)));
        numbers.add_and(4, other).await.unwrap_err();
        assert_eq!(numbers.all().await, [1, 2]);
    }
}

/// Threads, as the test is about runtimes that end.
#[test]
fn a_queue_outlives_the_runtime_that_served_it() {
    let on_a_runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = on_a_runtime();
    let (numbers, waiting) = first.block_on(async {
        let numbers = Numbers::on_sqlite().await;
        numbers.shut().await;
        (numbers.clone(), numbers)
    });
    let second = on_a_runtime();
    let late = second.spawn(async move { waiting.add(1).await });
    // It waits behind the gate, which nobody opens.
    thread::sleep(Duration::from_millis(50));
    first.shutdown_background();
    assert!(second.block_on(late).unwrap().is_err());
    second.block_on(async {
        numbers.add(2).await.unwrap();
        assert_eq!(numbers.all().await, [2]);
    });
}
