//! The SQL of devices, whose columns are in the rows of their sessions.

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

/// The key of a session, locked until the transaction ends; none when it has ended or has none.
pub(super) async fn lock_key(tx: &mut Tx, public_id: Uuid) -> sqlx::Result<Option<DeviceKey>> {
    let key: Option<Option<Vec<u8>>> = in_tx!(tx, conn => sqlx::query_scalar(
        "update sessions set id = id where public_id = $1 returning device_key",
    )
    .bind(public_id)
    .fetch_optional(conn)
    .await)?;
    Ok(key.flatten().map(DeviceKey::from_row))
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
