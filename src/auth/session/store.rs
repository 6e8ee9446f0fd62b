//! Sessions: the row and its SQL.

use serde::Serialize;
use sqlx::FromRow;
use tower_sessions::session::{Id, Record};
use utoipa::ToSchema;
use uuid::Uuid;

use super::timeouts::Timeouts;
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
    http::Client,
};

/// A session as its own user sees it.
#[derive(Debug, Serialize, FromRow, ToSchema)]
pub(crate) struct OwnSession {
    /// The public id; not the secret in the cookie.
    #[sqlx(rename = "public_id")]
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    pub id: Uuid,
    pub created_at: Timestamp,
    /// The last recorded use, at most a minute before the last use.
    pub last_seen_at: Timestamp,
    #[schema(required, example = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")]
    pub user_agent: Option<String>,
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// Whether it is the session of this request.
    #[sqlx(skip)]
    pub current: bool,
    /// Whether its cookie is good for nothing on another device than the one that logged in.
    pub device_bound: bool,
}

/// What a new row holds.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    pub record: &'a Record,
    pub public_id: Uuid,
    pub user_id: Option<Uuid>,
    pub client: Option<&'a Client>,
    pub key_id: &'a str,
    pub now: Timestamp,
    /// None for a visitor.
    pub authenticated_at: Option<Timestamp>,
    /// None where no second factor was given.
    pub second_factor_at: Option<Timestamp>,
    pub expires_at: Timestamp,
    /// None where the timeouts alone say when it expires.
    pub expires_at_latest: Option<Timestamp>,
    /// The secret id of the session whose place it takes.
    pub replaced: Option<Id>,
}

/// How many sessions have a user who may be logged in, and have not expired.
pub(crate) async fn count_live(db: &Db, timeouts: Timeouts, now: Timestamp) -> sqlx::Result<u64> {
    let count: i64 = on_reader!(db, conn => sqlx::query_scalar(
        "select count(*) from sessions s
         join users u on u.id = s.user_id and u.disabled_at is null
         where s.expiry_date > $1 and s.created_at > $2 and s.last_seen_at > $3",
    )
    .bind(now)
    .bind(now.before(timeouts.absolute))
    .bind(now.before(timeouts.idle))
    .fetch_one(conn)
    .await)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Records that a session was used, unless a use since `due` is recorded; false then, and when
/// the session has ended or expired.
pub(crate) async fn touch(
    tx: &mut Tx,
    (public_id, id): (Uuid, Id),
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
    .bind(public_id)
    .bind(id.to_string())
    .bind(due)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Records that the session's cookie was re-signed; false when that is recorded already.
pub(crate) async fn note_key(tx: &mut Tx, public_id: Uuid, key_id: &str) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set key_id = $1 where public_id = $2 and key_id is distinct from $1",
    )
    .bind(key_id)
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

macro_rules! insert {
    ($rows:literal) => {
        concat!(
            "insert into sessions
                 (id, data, expiry_date, public_id, user_id, created_at, last_seen_at, user_agent,
                  ip, key_id, authenticated_at, second_factor_at, previous_id, expires_at_latest) ",
            $rows
        )
    };
}

const INSERT: &str = insert!(
    "values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13)
     on conflict (id) do nothing"
);
const INSERT_BELOW: &str = insert!(
    "select $1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13
     where (select count(*) from sessions where user_id = $5) < $14"
);

/// What a session keeps of the one whose place it takes: unlike an id of its own from before, this
/// one ends nothing.
fn replaced_id(id: Id) -> String {
    format!("replaced {id}")
}

/// Whether a session has taken the place of that of `id` since then: it was given another secret id,
/// or somebody has logged in.
pub(crate) async fn is_replaced(db: &Db, id: Id, since: Timestamp) -> sqlx::Result<bool> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select exists (select 1 from sessions where previous_id in ($1, $2)
            and coalesce(authenticated_at, created_at) > $3)",
    )
    .bind(id.to_string()).bind(replaced_id(id)).bind(since).fetch_one(conn).await)
}

/// Binds the columns of a new row.
macro_rules! bind_row {
    ($sql:ident, $session:ident, $data:ident) => {{
        let client = $session.client;
        let ip = client.and_then(|client| client.ip);
        sqlx::query($sql)
            .bind($session.record.id.to_string())
            .bind($data)
            .bind($session.expires_at)
            .bind($session.public_id)
            .bind($session.user_id)
            .bind($session.now)
            .bind(client.and_then(|client| client.user_agent.as_deref()))
            .bind(ip.map(|ip| ip.to_string()))
            .bind($session.key_id)
            .bind($session.authenticated_at)
            .bind($session.second_factor_at)
            .bind($session.replaced.map(replaced_id))
            .bind($session.expires_at_latest)
    }};
}

/// Adds a row; false when the id is taken.
pub(crate) async fn insert(
    tx: &mut Tx,
    session: &NewSession<'_>,
    data: &[u8],
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => bind_row!(INSERT, session, data)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Adds a row; false when the user has `limit` rows or more.
pub(crate) async fn insert_below(
    tx: &mut Tx,
    session: &NewSession<'_>,
    data: &[u8],
    limit: i64,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => bind_row!(INSERT_BELOW, session, data)
        .bind(limit)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Locks a session until the transaction ends; false when it has ended.
pub(crate) async fn lock(tx: &mut Tx, public_id: Uuid) -> sqlx::Result<bool> {
    // An update locks the row on both databases; SQLite knows no `for update`.
    in_tx!(tx, conn => sqlx::query("update sessions set id = id where public_id = $1")
        .bind(public_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// The record of a session, locked until the transaction ends; none when it has ended.
pub(crate) async fn lock_data(tx: &mut Tx, id: Id) -> sqlx::Result<Option<Vec<u8>>> {
    let row: Option<(Vec<u8>,)> = in_tx!(tx, conn => sqlx::query_as(
        "update sessions set id = id where id = $1 returning data",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await)?;
    Ok(row.map(|(data,)| data))
}

/// The secret id and the record of a session by its public id, locked until the transaction ends;
/// none when it has ended.
pub(crate) async fn lock_renewed(
    tx: &mut Tx,
    public_id: Uuid,
) -> sqlx::Result<Option<(String, Vec<u8>)>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update sessions set id = id where public_id = $1 returning id, data",
    )
    .bind(public_id)
    .fetch_optional(conn)
    .await)
}

/// The records of a user's sessions, locked until the transaction ends.
pub(crate) async fn lock_all_data(
    tx: &mut Tx,
    user_id: Uuid,
) -> sqlx::Result<Vec<(String, Vec<u8>)>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update sessions set id = id where user_id = $1 returning id, data",
    )
    .bind(user_id)
    .fetch_all(conn)
    .await)
}

/// Replaces the record of a session; never adds a row, so an ended session stays ended.
pub(crate) async fn update_data(tx: &mut Tx, id: Id, data: &[u8]) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("update sessions set data = $1 where id = $2")
        .bind(data)
        .bind(id.to_string())
        .execute(conn).await.map(drop))
}

/// Gives a session the id `new`, with a record to match, as its user has proved who they are.
pub(crate) async fn change_id(
    tx: &mut Tx,
    old: Id,
    new: Id,
    data: &[u8],
    authenticated_at: Timestamp,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update sessions set id = $1, previous_id = $2, data = $3, authenticated_at = $4
         where id = $2",
    )
    .bind(new.to_string())
    .bind(old.to_string())
    .bind(data)
    .bind(authenticated_at)
    .execute(conn)
    .await
    .map(drop))
}

/// Records that the user of a session has given a second factor on it.
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(crate) async fn note_second_factor(
    tx: &mut Tx,
    public_id: Uuid,
    now: Timestamp,
) -> sqlx::Result<()> {
    tx.revoke([public_id.into()]);
    in_tx!(tx, conn => sqlx::query(
        "update sessions set second_factor_at = $1 where public_id = $2",
    )
    .bind(now)
    .bind(public_id)
    .execute(conn)
    .await
    .map(drop))
}

/// Whether a second factor was given on a session.
#[cfg(any(feature = "passkeys", feature = "totp"))]
pub(crate) async fn has_second_factor(tx: &mut Tx, public_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "select exists (select 1 from sessions
             where public_id = $1 and second_factor_at is not null)",
    )
    .bind(public_id)
    .fetch_one(conn)
    .await)
}

/// Ends one of a user's sessions; false when the user has none of that id.
pub(crate) async fn delete_own(tx: &mut Tx, user_id: Uuid, public_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "delete from sessions where user_id = $1 and public_id = $2",
    )
    .bind(user_id)
    .bind(public_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Ends every session of a user but `kept`; returns how many.
pub(crate) async fn delete_others(
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

/// Whether a user still has this session; to be asked once the user is locked.
pub(crate) async fn has_session(tx: &mut Tx, user_id: Uuid, public_id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "select exists (select 1 from sessions where user_id = $1 and public_id = $2)",
    )
    .bind(user_id)
    .bind(public_id)
    .fetch_one(conn)
    .await)
}

/// Ends a user's oldest and expired sessions until `kept` are left; the ids of those that ended.
pub(crate) async fn delete_oldest(
    tx: &mut Tx,
    user_id: Uuid,
    kept: i64,
    now: Timestamp,
) -> sqlx::Result<Vec<Uuid>> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "delete from sessions where user_id = $1 and public_id not in
             (select public_id from sessions
              where user_id = $1 and expiry_date > $2
              order by public_id desc limit $3)
         returning public_id",
    )
    .bind(user_id).bind(now).bind(kept).fetch_all(conn).await)
}

/// A user's sessions that have not expired by their rows, and the `current` one, newest first.
pub(crate) async fn list(
    db: &Db,
    user_id: Uuid,
    current: Uuid,
    now: Timestamp,
) -> sqlx::Result<Vec<OwnSession>> {
    on_reader!(db, conn => sqlx::query_as(
        "select public_id, created_at, last_seen_at, user_agent, ip,
                device_bound_at is not null as device_bound
         from sessions where user_id = $1 and (expiry_date > $2 or public_id = $3)
         order by public_id desc",
    )
    .bind(user_id)
    .bind(now)
    .bind(current)
    .fetch_all(conn)
    .await)
}

/// Removes up to `limit` rows that expired before `before`; returns how many.
pub(crate) async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from sessions where id in
             (select id from sessions where expiry_date < $1 order by expiry_date limit $2)",
    )
    .bind(before)
    .bind(limit)
    .execute(conn).await.map(|done| done.rows_affected()))
}
