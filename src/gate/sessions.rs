//! Sessions: the row and its SQL.

use serde::Serialize;
use sqlx::FromRow;
use tower_sessions::session::{Id, Record};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    live_session::LiveSession, session_reader::SessionRow, timeouts::Timeouts, users::User,
};
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader, on_writer},
    http::Client,
};

/// Why a session id stands for no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotLive {
    Unknown,
    Expired,
    /// Its user was deleted or disabled.
    UserGone,
}

/// One of a user's own sessions, as they see it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(super) struct OwnSession {
    /// Names the session; it is not the secret in the cookie.
    #[sqlx(rename = "public_id")]
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The last use written down, at most a minute before the last use.
    pub last_seen_at: Timestamp,
    #[schema(required, example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")]
    pub user_agent: Option<String>,
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// Whether it is the session of this very request.
    #[sqlx(skip)]
    pub current: bool,
}

/// What a new row holds.
#[derive(Debug)]
pub(super) struct NewSession<'a> {
    pub record: &'a Record,
    pub public_id: Uuid,
    pub user_id: Option<Uuid>,
    pub client: Option<&'a Client>,
    pub key_id: &'a str,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// The session `id`, of the row that has its public id. It is over at the `expiry_date` of the
/// row, whoever wrote that, and by `timeouts` as they are today; `last_use` is one that may not
/// be in the row yet.
pub(super) fn live(
    id: Id,
    row: Option<SessionRow>,
    timeouts: Timeouts,
    now: Timestamp,
    last_use: Option<Timestamp>,
) -> Result<LiveSession, NotLive> {
    // It may go on under another id by now.
    let row = row.filter(|row| row.id == id.to_string());
    let row = row.ok_or(NotLive::Unknown)?;
    let (public_id, written) = (row.public_id, row.written());
    if now >= written.expires_at(timeouts, written.last_use(last_use)) {
        return Err(NotLive::Expired);
    }
    let user = match (row.user_id, row.username, row.created_at) {
        (None, ..) => None,
        (Some(id), Some(username), Some(created_at)) => Some(User {
            id,
            username,
            email: row.email,
            created_at,
        }),
        (Some(_), ..) => return Err(NotLive::UserGone),
    };
    Ok(LiveSession::new(
        id, public_id, written, last_use, row.key_id, user,
    ))
}

/// Writes down that a session was used, unless somebody has done so since `due`; false when
/// they have, or it has ended or expired.
pub(super) async fn touch(
    tx: &mut Tx,
    session: &LiveSession,
    now: Timestamp,
    expires_at: Timestamp,
    due: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set last_seen_at = $1, expiry_date = $2
         where public_id = $3 and id = $4 and last_seen_at <= $5 and expiry_date > $1",
    )
    .bind(now)
    .bind(expires_at)
    .bind(session.public_id)
    .bind(session.id.to_string())
    .bind(due)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Writes down that the session's cookie was signed anew; false when that is known.
pub(super) async fn note_key(tx: &mut Tx, public_id: Uuid, key_id: &str) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set key_id = $1 where public_id = $2 and key_id is distinct from $1",
    )
    .bind(key_id)
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Adds a row; false when the id is taken.
pub(super) async fn insert(
    tx: &mut Tx,
    session: NewSession<'_>,
    data: &[u8],
) -> sqlx::Result<bool> {
    let ip = session
        .client
        .and_then(|client| client.ip)
        .map(|ip| ip.to_string());
    in_tx!(tx, conn => sqlx::query(
        "insert into sessions
             (id, data, expiry_date, public_id, user_id, created_at, last_seen_at, user_agent, ip,
              key_id)
         values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)
         on conflict (id) do nothing",
    )
    .bind(session.record.id.to_string())
    .bind(data)
    .bind(session.expires_at)
    .bind(session.public_id)
    .bind(session.user_id)
    .bind(session.now)
    .bind(session.client.and_then(|client| client.user_agent.as_deref()))
    .bind(ip.as_deref())
    .bind(session.key_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Locks a session until the transaction ends; false once it is over.
pub(super) async fn lock(tx: &mut Tx, public_id: Uuid) -> sqlx::Result<bool> {
    // An update locks the row on both databases; SQLite knows no `for update`.
    in_tx!(tx, conn => sqlx::query("update sessions set id = id where public_id = $1")
        .bind(public_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// The record of a session, locked until the transaction ends; none once it is over.
pub(super) async fn lock_data(tx: &mut Tx, id: Id) -> sqlx::Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = in_tx!(tx, conn => sqlx::query_as(
        "update sessions set id = id where id = $1 returning data",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await)?;
    Ok(row.map(|(data,)| data))
}

/// Replaces the record of a session; never adds a row, so what is over stays over.
pub(super) async fn update_data(tx: &mut Tx, id: Id, data: &[u8]) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("update sessions set data = $1 where id = $2")
        .bind(data)
        .bind(id.to_string())
        .execute(conn)
        .await
        .map(drop))
}

/// Has a session go on as `new`, with a record that says so.
pub(super) async fn change_id(tx: &mut Tx, old: Id, new: Id, data: &[u8]) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set id = $1, previous_id = $2, data = $3 where id = $2",
    )
    .bind(new.to_string())
    .bind(old.to_string())
    .bind(data)
    .execute(conn)
    .await
    .map(drop))
}

/// Takes a session out of the table: its record, and whose it was.
pub(super) async fn take(tx: &mut Tx, id: Id) -> sqlx::Result<Option<(Vec<u8>, Option<Uuid>)>> {
    in_tx!(tx, conn => sqlx::query_as(
        "delete from sessions where id = $1 returning data, user_id",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await)
}

/// Ends a session, also one that goes on under another id since this very moment; what has
/// ended, and whose it was.
pub(super) async fn delete(tx: &mut Tx, id: Id) -> sqlx::Result<Vec<(Uuid, Option<Uuid>)>> {
    in_tx!(tx, conn => sqlx::query_as(
        "delete from sessions where id = $1 or previous_id = $1 returning public_id, user_id",
    )
    .bind(id.to_string())
    .fetch_all(conn)
    .await)
}

/// Ends one of a user's sessions; false when the user has none of that id.
pub(super) async fn delete_own(tx: &mut Tx, user_id: Uuid, public_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "delete from sessions where user_id = $1 and public_id = $2",
    )
    .bind(user_id)
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Ends every session of a user but `kept`; how many there were.
pub(super) async fn delete_others(
    tx: &mut Tx,
    user_id: Uuid,
    kept: Option<Uuid>,
) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from sessions where user_id = $1 and public_id is distinct from $2",
    )
    .bind(user_id)
    .bind(kept)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}

/// Ends the oldest sessions of a user, and those that are over, until `kept` are left beside the
/// new one; what has ended. The new one counts as the newest: by the clock of another server it
/// may be the oldest.
pub(super) async fn delete_oldest(
    tx: &mut Tx,
    user_id: Uuid,
    new: Uuid,
    kept: i64,
    now: Timestamp,
) -> sqlx::Result<Vec<Uuid>> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "delete from sessions where user_id = $1 and public_id <> $2 and public_id not in
             (select public_id from sessions
              where user_id = $1 and public_id <> $2 and expiry_date > $3
              order by public_id desc limit $4)
         returning public_id",
    )
    .bind(user_id)
    .bind(new)
    .bind(now)
    .bind(kept)
    .fetch_all(conn)
    .await)
}

/// A user's sessions that are not over, newest first; `current` is in use right now, which
/// may not be in its row yet.
pub(super) async fn list_own(
    db: &Db,
    user_id: Uuid,
    current: &LiveSession,
    timeouts: Timeouts,
    now: Timestamp,
) -> sqlx::Result<Vec<OwnSession>> {
    let mut sessions: Vec<OwnSession> = on_reader!(db, conn => sqlx::query_as(
        "select public_id, created_at, last_seen_at, user_agent, ip
         from sessions where user_id = $1 and (expiry_date > $2 or public_id = $3)
         order by public_id desc",
    )
    .bind(user_id)
    .bind(now)
    .bind(current.public_id)
    .fetch_all(conn)
    .await)?;
    for own in &mut sessions {
        own.current = own.id == current.public_id;
        if own.current {
            own.last_seen_at = own.last_seen_at.max(current.last_use());
        }
    }
    sessions.retain(|session| now < timeouts.expires_at(session.created_at, session.last_seen_at));
    Ok(sessions)
}

/// Removes up to `limit` rows that were over before `before`; how many there were.
pub(super) async fn purge(db: &Db, before: Timestamp, limit: i64) -> sqlx::Result<u64> {
    on_writer!(db, conn => sqlx::query(
        "delete from sessions where id in
             (select id from sessions where expiry_date < $1 order by expiry_date limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
