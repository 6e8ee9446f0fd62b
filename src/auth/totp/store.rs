//! Secrets of codes, recovery codes and half-done logins: the rows and their SQL.

use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    auth::{audit::Action, throttle::forget_codes},
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// What the codes of a user are made from.
#[derive(FromRow)]
pub(crate) struct SecretRow {
    pub id: Uuid,
    pub sealed: Vec<u8>,
}

/// Runs a statement whose only parameter is the user.
macro_rules! of_user {
    ($tx:ident, $sql:literal, $user_id:ident) => {
        in_tx!($tx, conn => sqlx::query($sql).bind($user_id).execute(conn).await.map(drop))
    };
}

/// Adds a secret that is yet to be confirmed, in the place of another such.
pub(super) async fn insert_secret(
    tx: &mut Tx,
    id: Uuid,
    user_id: Uuid,
    sealed: &[u8],
    now: Timestamp,
) -> sqlx::Result<()> {
    delete_unconfirmed(tx, user_id).await?;
    in_tx!(tx, conn => sqlx::query(
        "insert into totp_secrets (id, user_id, sealed, created_at, last_step)
         values ($1, $2, $3, $4, 0)",
    )
    .bind(id)
    .bind(user_id)
    .bind(sealed)
    .bind(now)
    .execute(conn)
    .await
    .map(drop))
}

/// The secret that is yet to be confirmed, if it was made `since` then.
pub(super) async fn find_unconfirmed(
    tx: &mut Tx,
    user_id: Uuid,
    since: Timestamp,
) -> sqlx::Result<Option<SecretRow>> {
    in_tx!(tx, conn => sqlx::query_as(
        "select id, sealed from totp_secrets
         where user_id = $1 and confirmed_at is null and created_at > $2",
    )
    .bind(user_id)
    .bind(since)
    .fetch_optional(conn)
    .await)
}

/// The secret that is in use.
pub(super) async fn find_confirmed(db: &Db, user_id: Uuid) -> sqlx::Result<Option<SecretRow>> {
    on_reader!(db, conn => sqlx::query_as(
        "select id, sealed from totp_secrets where user_id = $1 and confirmed_at is not null",
    )
    .bind(user_id)
    .fetch_optional(conn)
    .await)
}

/// Puts a secret into use, in the place of another; the code of `step` is used up.
pub(super) async fn confirm(
    tx: &mut Tx,
    id: Uuid,
    user_id: Uuid,
    step: i64,
    now: Timestamp,
) -> sqlx::Result<()> {
    of_user!(
        tx,
        "delete from totp_secrets where user_id = $1 and confirmed_at is not null",
        user_id
    )?;
    in_tx!(tx, conn => sqlx::query(
        "update totp_secrets set confirmed_at = $1, last_step = $2 where id = $3",
    )
    .bind(now)
    .bind(step)
    .bind(id)
    .execute(conn)
    .await
    .map(drop))?;
    set_since(tx, user_id, Some(now)).await
}

/// Uses up the code of a step, and sets the count of wrong codes back; false when one of this step or a
/// later one was used before.
pub(super) async fn use_step(tx: &mut Tx, id: Uuid, step: i64) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update totp_secrets set last_step = $1, failures = 0 where id = $2 and last_step < $1",
    )
    .bind(step)
    .bind(id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// How many consecutive wrong codes a user has given, who is locked.
pub(super) async fn count_failures(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<i64> {
    let failures: Option<i64> = in_tx!(tx, conn => sqlx::query_scalar(
        "select failures from totp_secrets where user_id = $1 and confirmed_at is not null",
    )
    .bind(user_id)
    .fetch_optional(conn)
    .await)?;
    Ok(failures.unwrap_or(0))
}

/// Records a wrong code.
pub(super) async fn add_failure(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    of_user!(
        tx,
        "update totp_secrets set failures = failures + 1
         where user_id = $1 and confirmed_at is not null",
        user_id
    )
}

/// Sets the count of a user's wrong codes back.
pub(crate) async fn clear_failures(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    of_user!(
        tx,
        "update totp_secrets set failures = 0 where user_id = $1 and failures > 0",
        user_id
    )
}

/// Up to `limit` secrets after one, by their ids.
pub(super) async fn list_secrets(db: &Db, after: Uuid, limit: i64) -> sqlx::Result<Vec<SecretRow>> {
    on_reader!(db, conn => sqlx::query_as(
        "select id, sealed from totp_secrets where id > $1 order by id limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await)
}

/// Stores a secret that was sealed again.
pub(super) async fn reseal(tx: &mut Tx, id: Uuid, sealed: &[u8]) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("update totp_secrets set sealed = $1 where id = $2")
        .bind(sealed)
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}

/// Deletes the secret of a user that is yet to be confirmed.
pub(crate) async fn delete_unconfirmed(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    of_user!(
        tx,
        "delete from totp_secrets where user_id = $1 and confirmed_at is null",
        user_id
    )
}

/// Deletes the second factor of a user, the lockout of its codes, and their half-done logins.
pub(super) async fn delete_second_factor(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    of_user!(tx, "delete from totp_secrets where user_id = $1", user_id)?;
    of_user!(tx, "delete from recovery_codes where user_id = $1", user_id)?;
    forget_codes(tx, user_id).await?;
    delete_half_logins(tx, user_id, 0).await?;
    set_since(tx, user_id, None).await
}

/// Deletes what was made since then: all if that is what codes are made from, else new recovery codes.
/// What waits to be confirmed goes in any case. Returns what this was.
pub(crate) async fn delete_since(
    tx: &mut Tx,
    user_id: Uuid,
    since: Timestamp,
) -> sqlx::Result<Option<Action>> {
    delete_unconfirmed(tx, user_id).await?;
    let secrets = in_tx!(tx, conn => sqlx::query(
        "delete from totp_secrets where user_id = $1 and confirmed_at >= $2",
    )
    .bind(user_id)
    .bind(since)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))?;
    if secrets > 0 {
        delete_second_factor(tx, user_id).await?;
        return Ok(Some(Action::DisableTotp));
    }
    let codes = in_tx!(tx, conn => sqlx::query(
        "delete from recovery_codes where user_id = $1 and created_at >= $2",
    )
    .bind(user_id)
    .bind(since)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))?;
    Ok((codes > 0).then_some(Action::DeleteRecoveryCodes))
}

async fn set_since(tx: &mut Tx, user_id: Uuid, since: Option<Timestamp>) -> sqlx::Result<()> {
    // Cached sessions name the second factors of their user.
    tx.revoke([user_id.into()]);
    in_tx!(tx, conn => sqlx::query("update users set totp_since = $1 where id = $2")
        .bind(since)
        .bind(user_id)
        .execute(conn)
        .await
        .map(drop))
}

/// Gives a user these recovery codes, in the place of all others.
pub(super) async fn replace_recovery_codes(
    tx: &mut Tx,
    user_id: Uuid,
    hashes: &[Vec<u8>],
    now: Timestamp,
) -> sqlx::Result<()> {
    of_user!(tx, "delete from recovery_codes where user_id = $1", user_id)?;
    for hash in hashes {
        in_tx!(tx, conn => sqlx::query(
            "insert into recovery_codes (hash, user_id, created_at) values ($1, $2, $3)",
        )
        .bind(hash)
        .bind(user_id)
        .bind(now)
        .execute(conn)
        .await
        .map(drop))?;
    }
    Ok(())
}

/// Uses up a recovery code; false when the user has no such.
pub(super) async fn use_recovery_code(
    tx: &mut Tx,
    user_id: Uuid,
    hash: &[u8],
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query("delete from recovery_codes where hash = $1 and user_id = $2")
        .bind(hash)
        .bind(user_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// How many recovery codes a user has left.
pub(super) async fn count_recovery_codes(db: &Db, user_id: Uuid) -> sqlx::Result<i64> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select count(*) from recovery_codes where user_id = $1",
    )
    .bind(user_id)
    .fetch_one(conn)
    .await)
}

/// Records that the first step of a login was done on a session.
pub(super) async fn insert_half_login(
    tx: &mut Tx,
    session_id: Uuid,
    user_id: Uuid,
    now: Timestamp,
    expires_at: Timestamp,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into half_logins (session_id, user_id, created_at, expires_at)
         values ($1, $2, $3, $4)",
    )
    .bind(session_id)
    .bind(user_id)
    .bind(now)
    .bind(expires_at)
    .execute(conn)
    .await
    .map(drop))
}

/// Whose login is half done on a session, and how many consecutive wrong codes they have given.
pub(super) async fn find_half_login(
    db: &Db,
    session_id: Uuid,
    now: Timestamp,
) -> sqlx::Result<Option<(Uuid, i64)>> {
    on_reader!(db, conn => sqlx::query_as(
        "select h.user_id, coalesce(s.failures, 0) from half_logins h
         left join totp_secrets s on s.user_id = h.user_id and s.confirmed_at is not null
         where h.session_id = $1 and h.expires_at > $2",
    )
    .bind(session_id)
    .bind(now)
    .fetch_optional(conn)
    .await)
}

/// Ends a half-done login, as it is complete; false when there is none any more.
pub(super) async fn delete_half_login(
    tx: &mut Tx,
    session_id: Uuid,
    now: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "delete from half_logins where session_id = $1 and expires_at > $2",
    )
    .bind(session_id)
    .bind(now)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Forgets the half-done logins of a user, who is locked, whose sessions have ended or expired.
pub(super) async fn forget_ended_half_logins(
    tx: &mut Tx,
    user_id: Uuid,
    now: Timestamp,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from half_logins where user_id = $1 and (expires_at <= $2 or not exists
             (select 1 from sessions where public_id = half_logins.session_id))",
    )
    .bind(user_id)
    .bind(now)
    .execute(conn)
    .await
    .map(drop))
}

macro_rules! oldest {
    ($deleted:literal) => {
        concat!(
            $deleted,
            " in (select session_id from half_logins where user_id = $1 and session_id not in
                  (select session_id from half_logins where user_id = $1
                   order by session_id desc limit $2))"
        )
    };
}

const DELETE_SESSIONS: &str = concat!(
    oldest!("delete from sessions where public_id"),
    " returning public_id"
);
const DELETE_HALF_LOGINS: &str = oldest!("delete from half_logins where session_id");

/// Ends the half-done logins of a user, who is locked, but for the `kept` newest; their sessions end with
/// them.
pub(crate) async fn delete_half_logins(tx: &mut Tx, user_id: Uuid, kept: i64) -> sqlx::Result<()> {
    let ended: Vec<Uuid> = in_tx!(tx, conn => sqlx::query_scalar(DELETE_SESSIONS)
        .bind(user_id)
        .bind(kept)
        .fetch_all(conn)
        .await)?;
    tx.revoke(ended.into_iter().map(Into::into));
    in_tx!(tx, conn => sqlx::query(DELETE_HALF_LOGINS)
        .bind(user_id)
        .bind(kept)
        .execute(conn)
        .await
        .map(drop))
}

/// Ends the half-done logins of everybody, with their sessions.
pub(crate) async fn delete_all_half_logins(tx: &mut Tx) -> sqlx::Result<()> {
    let ended: Vec<Uuid> = in_tx!(tx, conn => sqlx::query_scalar(
        "delete from sessions where public_id in (select session_id from half_logins)
         returning public_id",
    )
    .fetch_all(conn)
    .await)?;
    tx.revoke(ended.into_iter().map(Into::into));
    in_tx!(tx, conn => sqlx::query("delete from half_logins").execute(conn).await.map(drop))
}

/// Removes up to `limit` half-done logins that have expired; returns how many.
pub(crate) async fn purge(tx: &mut Tx, now: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from half_logins where session_id in
             (select session_id from half_logins where expires_at < $1
              order by expires_at limit $2)",
    )
    .bind(now)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
