//! The outbox: the row and its SQL.

use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// A mail that this node sends.
#[derive(Clone, Debug, FromRow)]
pub(super) struct Leased {
    pub id: Uuid,
    pub created_at: Timestamp,
    /// This one counted; an older attempt no longer changes the row.
    pub attempts: i64,
    /// How often the mail server has deferred it.
    pub deferrals: i64,
    pub sealed: Vec<u8>,
}

/// Adds a mail that was written at one moment and is due at another.
pub(super) async fn insert(
    tx: &mut Tx,
    id: Uuid,
    (written_at, due_at): (Timestamp, Timestamp),
    sealed: &[u8],
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into outbox (id, created_at, next_attempt_at, attempts, sealed)
         values ($1, $2, $3, 0, $4)",
    )
    .bind(id)
    .bind(written_at)
    .bind(due_at)
    .bind(sealed)
    .execute(conn)
    .await
    .map(drop))
}

macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "update outbox set next_attempt_at = $1, attempts = attempts + 1
             where id = (select id from outbox where next_attempt_at <= $2
                          order by next_attempt_at, id limit 1",
            $lock,
            ") returning id, created_at, attempts, deferrals, sealed"
        )
    };
}

/// Leases the mail that has been due for longest until `until`: no other node sends it before.
pub(super) async fn lease(
    tx: &mut Tx,
    now: Timestamp,
    until: Timestamp,
) -> sqlx::Result<Option<Leased>> {
    let sql = match tx.is_postgres() {
        true => lease!(" for update skip locked"),
        false => lease!(""),
    };
    in_tx!(tx, conn => sqlx::query_as(sql)
        .bind(until)
        .bind(now)
        .fetch_optional(conn)
        .await)
}

/// Removes a mail after its `attempts`th attempt; false when another has been made since.
pub(super) async fn delete(tx: &mut Tx, id: Uuid, attempts: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query("delete from outbox where id = $1 and attempts = $2")
        .bind(id)
        .bind(attempts)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Has a mail wait after an attempt, at which it was perhaps deferred.
pub(super) async fn postpone(
    tx: &mut Tx,
    mail: &Leased,
    until: Timestamp,
    is_deferred: bool,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update outbox set next_attempt_at = $1, deferrals = deferrals + $2
         where id = $3 and attempts = $4",
    )
    .bind(until)
    .bind(i64::from(is_deferred))
    .bind(mail.id)
    .bind(mail.attempts)
    .execute(conn)
    .await
    .map(drop))
}

/// When the next mail is due.
pub(super) async fn next_due(db: &Db) -> sqlx::Result<Option<Timestamp>> {
    on_reader!(db, conn => sqlx::query_scalar("select min(next_attempt_at) from outbox")
        .fetch_one(conn)
        .await)
}

/// How many mails wait, and since when the oldest does.
pub(super) async fn waiting(db: &Db) -> sqlx::Result<(i64, Option<Timestamp>)> {
    on_reader!(db, conn => sqlx::query_as("select count(*), min(created_at) from outbox")
        .fetch_one(conn)
        .await)
}
