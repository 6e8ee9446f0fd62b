//! Tokens: the row and its SQL.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Bound, Purpose};
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// What a new row holds.
#[derive(Debug)]
pub(crate) struct NewToken<'a> {
    pub hash: &'a [u8],
    pub bound: &'a Bound,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    purpose: String,
    user_id: Uuid,
    email: String,
    mail_id: Uuid,
    created_at: Timestamp,
    /// None in rows of a version that did not write it.
    requested_at: Option<Timestamp>,
}

impl Row {
    /// None for a purpose that only a newer version knows.
    fn bound(self) -> Option<Bound> {
        Some(Bound {
            purpose: Purpose::parse(&self.purpose)?,
            user_id: self.user_id,
            email: self.email,
            mail_id: self.mail_id,
            since: self.requested_at.unwrap_or(self.created_at),
        })
    }
}

/// Adds a token.
pub(crate) async fn insert(tx: &mut Tx, token: &NewToken<'_>) -> sqlx::Result<()> {
    let NewToken {
        hash,
        bound,
        now,
        expires_at,
    } = token;
    in_tx!(tx, conn => sqlx::query(
        "insert into account_tokens
             (hash, purpose, user_id, email, mail_id, created_at, expires_at, requested_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(*hash)
    .bind(bound.purpose.as_str())
    .bind(bound.user_id)
    .bind(&bound.email)
    .bind(bound.mail_id)
    .bind(now)
    .bind(expires_at)
    .bind(bound.since)
    .execute(conn)
    .await
    .map(drop))
}

/// What a token is good for, without using it up.
pub(crate) async fn find(db: &Db, hash: &[u8], now: Timestamp) -> sqlx::Result<Option<Bound>> {
    let row: Option<Row> = on_reader!(db, conn => sqlx::query_as(
        "select purpose, user_id, email, mail_id, created_at, requested_at from account_tokens
         where hash = $1 and expires_at > $2",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(conn)
    .await)?;
    Ok(row.and_then(Row::bound))
}

/// Uses up a token; none when somebody else has, or it has expired.
pub(crate) async fn take(tx: &mut Tx, hash: &[u8], now: Timestamp) -> sqlx::Result<Option<Bound>> {
    let row: Option<Row> = in_tx!(tx, conn => sqlx::query_as(
        "delete from account_tokens where hash = $1 and expires_at > $2
         returning purpose, user_id, email, mail_id, created_at, requested_at",
    )
    .bind(hash)
    .bind(now)
    .fetch_optional(conn)
    .await)?;
    Ok(row.and_then(Row::bound))
}

/// Deletes the tokens of a user, as their password or address has changed; those that undo a change
/// of the address stay.
pub(crate) async fn delete_outdated(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from account_tokens where user_id = $1 and purpose <> $2",
    )
    .bind(user_id)
    .bind(Purpose::UndoEmailChange.as_str())
    .execute(conn)
    .await
    .map(drop))
}

/// Deletes every token of a user.
pub(crate) async fn delete_all(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("delete from account_tokens where user_id = $1")
        .bind(user_id)
        .execute(conn)
        .await
        .map(drop))
}

/// Deletes the tokens of a user for one purpose.
pub(crate) async fn delete_of_purpose(
    tx: &mut Tx,
    user_id: Uuid,
    purpose: Purpose,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from account_tokens where user_id = $1 and purpose = $2",
    )
    .bind(user_id)
    .bind(purpose.as_str())
    .execute(conn)
    .await
    .map(drop))
}

/// The greatest id of the mails with a user's tokens for one purpose.
pub(crate) async fn last_mail(
    tx: &mut Tx,
    user_id: Uuid,
    purpose: Purpose,
) -> sqlx::Result<Option<Uuid>> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "select mail_id from account_tokens where user_id = $1 and purpose = $2
         order by mail_id desc limit 1",
    )
    .bind(user_id)
    .bind(purpose.as_str())
    .fetch_optional(conn)
    .await)
}

/// Deletes the tokens of mails that were written after `mail_id`.
pub(crate) async fn delete_later(tx: &mut Tx, user_id: Uuid, mail_id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from account_tokens where user_id = $1 and mail_id > $2",
    )
    .bind(user_id)
    .bind(mail_id)
    .execute(conn)
    .await
    .map(drop))
}

/// Has a token expire at another moment, as its mail is sent; false when it is of no use any more.
pub(crate) async fn set_expiry(
    tx: &mut Tx,
    hash: &[u8],
    expires_at: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query("update account_tokens set expires_at = $1 where hash = $2")
        .bind(expires_at)
        .bind(hash)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Removes up to `limit` tokens that have expired; returns how many.
pub(crate) async fn purge(tx: &mut Tx, now: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from account_tokens where hash in
             (select hash from account_tokens where expires_at < $1
              order by expires_at limit $2)",
    )
    .bind(now)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
