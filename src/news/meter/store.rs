//! The SQL of the meter.

use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// What a visitor has opened since `$3`: this post (`$2`) or not, and how many.
pub(crate) const COUNT: &str = "select count(*) as different,
        count(case when post_id = $2 then 1 end) as this_one
     from free_reads where visitor_id = $1 and read_at > $3";

/// What a visitor has opened within the window.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Reads {
    pub different: i64,
    pub this_one: i64,
}

impl Reads {
    /// These reads and this post, which the visitor had not opened.
    pub fn with_this_one(self) -> Self {
        Self {
            different: self.different + 1,
            this_one: 1,
        }
    }
}

/// What a visitor has opened since `since`.
pub(crate) async fn count(
    db: &Db,
    visitor_id: Uuid,
    post_id: Uuid,
    since: Timestamp,
) -> sqlx::Result<Reads> {
    on_reader!(db, conn => sqlx::query_as(COUNT)
        .bind(visitor_id)
        .bind(post_id)
        .bind(since)
        .fetch_one(conn)
        .await)
}

/// As [`count`], in a transaction.
pub(crate) async fn count_in_tx(
    tx: &mut Tx,
    visitor_id: Uuid,
    post_id: Uuid,
    since: Timestamp,
) -> sqlx::Result<Reads> {
    in_tx!(tx, conn => sqlx::query_as(COUNT)
        .bind(visitor_id)
        .bind(post_id)
        .bind(since)
        .fetch_one(conn)
        .await)
}

/// Records a read, again when the last one is forgotten.
pub(crate) async fn insert(
    tx: &mut Tx,
    visitor_id: Uuid,
    post_id: Uuid,
    now: Timestamp,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into free_reads (visitor_id, post_id, read_at) values ($1, $2, $3)
         on conflict (visitor_id, post_id) do update set read_at = excluded.read_at",
    )
    .bind(visitor_id)
    .bind(post_id)
    .bind(now)
    .execute(conn)
    .await
    .map(drop))
}
