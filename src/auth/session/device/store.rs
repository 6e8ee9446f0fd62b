//! The SQL of devices, whose columns are in the rows of their sessions, and of ends that depend on them.

use sqlx::FromRow;
use tower_sessions::session::Id;
use uuid::Uuid;

use super::jwt::DeviceKey;
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// What the row of a session that is bound to a device holds.
#[derive(Debug)]
pub(super) struct Bound {
    /// The secret id of the session.
    pub id: Id,
    pub key: DeviceKey,
    /// The newest challenge that was answered.
    pub answered: Timestamp,
}

/// Binds a session; false when it has ended, or is bound already.
pub(super) async fn bind(
    tx: &mut Tx,
    public_id: Uuid,
    key: &DeviceKey,
    now: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set device_key = $1, device_bound_at = $2, device_answered = 0
         where public_id = $3 and user_id is not null and device_key is null",
    )
    .bind(key.as_bytes())
    .bind(now)
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// The key of a session and since when it is bound to that, locked until the transaction ends; none when
/// it has ended or has none.
pub(super) async fn lock_key(
    tx: &mut Tx,
    public_id: Uuid,
) -> sqlx::Result<Option<(DeviceKey, Timestamp)>> {
    let row: Option<(Vec<u8>, Timestamp)> = in_tx!(tx, conn => sqlx::query_as(
        "update sessions set id = id where public_id = $1 and device_key is not null
         returning device_key, device_bound_at",
    )
    .bind(public_id)
    .fetch_optional(conn)
    .await)?;
    Ok(row.map(|(key, bound_at)| (DeviceKey::from_row(key), bound_at)))
}

/// Binds a session to its device no longer; false when it has ended, or a newer challenge was answered.
pub(super) async fn release(
    tx: &mut Tx,
    public_id: Uuid,
    challenge: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set device_key = null, device_bound_at = null, device_answered = null
         where public_id = $1 and device_key is not null and device_answered <= $2",
    )
    .bind(public_id)
    .bind(challenge.unix_micros())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// What is known of the device of a session; none when it is bound to none.
pub(super) async fn find(db: &Db, public_id: Uuid) -> sqlx::Result<Option<Bound>> {
    let found: Option<(String, Vec<u8>, i64)> = on_reader!(db, conn => sqlx::query_as(
        "select id, device_key, coalesce(device_answered, 0) from sessions
         where public_id = $1 and device_key is not null",
    )
    .bind(public_id)
    .fetch_optional(conn)
    .await)?;
    Ok(found.and_then(|(id, key, answered)| {
        Some(Bound {
            id: id.parse().ok()?,
            key: DeviceKey::from_row(key),
            answered: Timestamp::from_unix_micros(answered),
        })
    }))
}

/// Records that the device has answered a challenge; false when the session has ended, or a newer one was
/// answered.
pub(super) async fn answer(
    tx: &mut Tx,
    public_id: Uuid,
    challenge: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set device_answered = $1
         where public_id = $2 and device_key is not null and device_answered <= $1",
    )
    .bind(challenge.unix_micros())
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// What is left of a session that was deleted.
#[derive(Debug, FromRow)]
pub(in crate::auth::session) struct Taken {
    pub public_id: Uuid,
    pub data: Vec<u8>,
    pub user_id: Option<Uuid>,
}

/// Which sessions can be ended by a request that names them.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth::session) enum Endable {
    /// All.
    Any,
    /// Those that are bound to no device, or were in this time: requests that were under way have no
    /// proof of it.
    Bound { after: Timestamp, until: Timestamp },
}

impl Endable {
    fn window(self) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::Any => None,
            Self::Bound { after, until } => Some((after, until)),
        }
    }
}

/// Deletes a session, also one that was given another id a moment ago, if it is endable or that of
/// `user_id`, who has just proved who they are.
pub(in crate::auth::session) async fn take(
    tx: &mut Tx,
    id: Id,
    endable: Endable,
    user_id: Uuid,
) -> sqlx::Result<Option<Taken>> {
    let window = endable.window();
    in_tx!(tx, conn => sqlx::query_as(
        "delete from sessions where (id = $1 or previous_id = $1)
             and ($2 or device_bound_at is null or user_id = $5
                  or (device_bound_at > $3 and device_bound_at <= $4))
         returning public_id, data, user_id",
    )
    .bind(id.to_string())
    .bind(window.is_none())
    .bind(window.map(|(after, _)| after))
    .bind(window.map(|(_, until)| until))
    .bind(user_id)
    .fetch_optional(conn)
    .await)
}

/// Deletes a session, also one that was given another id a moment ago, if it is endable; returns public
/// ids and users.
pub(in crate::auth::session) async fn delete(
    tx: &mut Tx,
    id: Id,
    endable: Endable,
) -> sqlx::Result<Vec<(Uuid, Option<Uuid>)>> {
    let window = endable.window();
    in_tx!(tx, conn => sqlx::query_as(
        "delete from sessions where (id = $1 or previous_id = $1)
             and ($2 or device_bound_at is null
                  or (device_bound_at > $3 and device_bound_at <= $4))
         returning public_id, user_id",
    )
    .bind(id.to_string())
    .bind(window.is_none())
    .bind(window.map(|(after, _)| after))
    .bind(window.map(|(_, until)| until))
    .fetch_all(conn)
    .await)
}
