//! Passkeys and challenges: the rows and their SQL.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, Serializer};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// A passkey as its own user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow, ToSchema)]
#[non_exhaustive]
pub struct OwnPasskey {
    /// The credential id, in base64url.
    #[serde(serialize_with = "as_base64url")]
    #[schema(value_type = String, example = "mVGZ6hT0cZk2cXJzq5m4Zw")]
    pub id: Vec<u8>,
    /// As its user has named it.
    #[schema(example = "Firefox on Linux")]
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// Null until it is used to log in or to prove who its user is.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// Whether it is kept in more than one place, as the authenticator says.
    pub backed_up: bool,
}

fn as_base64url<S: Serializer>(id: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(id))
}

/// What the use of a passkey is checked against.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(super) struct StoredPasskey {
    pub user_id: Uuid,
    pub credential: String,
}

const FIND: &str = "select user_id, credential from passkeys where id = $1";

/// A challenge with what its response is checked against.
#[derive(Clone, Debug, FromRow)]
pub(super) struct ChallengeRow {
    pub purpose: String,
    #[sqlx(rename = "asked_by")]
    pub browser: Vec<u8>,
    pub state: String,
    pub expires_at: Timestamp,
}

/// Adds a challenge.
pub(super) async fn insert_challenge(
    tx: &mut Tx,
    challenge: &[u8],
    row: &ChallengeRow,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into passkey_challenges (challenge, purpose, asked_by, state, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(challenge)
    .bind(&row.purpose)
    .bind(&row.browser)
    .bind(&row.state)
    .bind(row.expires_at)
    .execute(conn)
    .await
    .map(drop))
}

/// Deletes the challenges of the browser and the purpose of `row`, but the `kept` newest.
pub(super) async fn delete_oldest_challenges(
    tx: &mut Tx,
    row: &ChallengeRow,
    kept: i64,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from passkey_challenges where asked_by = $1 and purpose = $2 and challenge not in
             (select challenge from passkey_challenges where asked_by = $1 and purpose = $2
              order by expires_at desc, challenge limit $3)",
    )
    .bind(&row.browser)
    .bind(&row.purpose)
    .bind(kept)
    .execute(conn)
    .await
    .map(drop))
}

/// Whether a challenge is there, whichever browser it was given to.
pub(super) async fn has_challenge(db: &Db, challenge: &[u8]) -> sqlx::Result<bool> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select exists (select 1 from passkey_challenges where challenge = $1)",
    )
    .bind(challenge)
    .fetch_one(conn)
    .await)
}

/// Whether a browser was given challenges for a purpose.
pub(super) async fn has_challenges(db: &Db, browser: &[u8], purpose: &str) -> sqlx::Result<bool> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select exists (select 1 from passkey_challenges where asked_by = $1 and purpose = $2)",
    )
    .bind(browser)
    .bind(purpose)
    .fetch_one(conn)
    .await)
}

/// Uses up a challenge; none when it was used up, or never was one.
pub(super) async fn take_challenge(
    tx: &mut Tx,
    challenge: &[u8],
) -> sqlx::Result<Option<ChallengeRow>> {
    in_tx!(tx, conn => sqlx::query_as(
        "delete from passkey_challenges where challenge = $1
         returning purpose, asked_by, state, expires_at",
    )
    .bind(challenge)
    .fetch_optional(conn)
    .await)
}

/// Uses up what a browser was given for a purpose.
pub(super) async fn delete_challenges(
    tx: &mut Tx,
    browser: &[u8],
    purpose: &str,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "delete from passkey_challenges where asked_by = $1 and purpose = $2",
    )
    .bind(browser)
    .bind(purpose)
    .execute(conn)
    .await
    .map(drop))
}

/// Adds a passkey of a user who is locked.
pub(super) async fn insert(
    tx: &mut Tx,
    user_id: Uuid,
    passkey: &OwnPasskey,
    credential: &str,
    rp_id: &str,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "insert into passkeys (id, user_id, name, credential, backed_up, created_at, rp_id)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&passkey.id)
    .bind(user_id)
    .bind(&passkey.name)
    .bind(credential)
    .bind(passkey.backed_up)
    .bind(passkey.created_at)
    .bind(rp_id)
    .execute(conn)
    .await
    .map(drop))?;
    count(tx, user_id).await
}

/// Writes how many passkeys a user has.
async fn count(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update users set passkey_count = (select count(*) from passkeys where user_id = $1)
         where id = $1",
    )
    .bind(user_id)
    .execute(conn)
    .await
    .map(drop))
}

/// The passkeys of a user, oldest first.
pub(super) async fn list(db: &Db, user_id: Uuid) -> sqlx::Result<Vec<OwnPasskey>> {
    on_reader!(db, conn => sqlx::query_as(
        "select id, name, created_at, last_used_at, backed_up
         from passkeys where user_id = $1 order by created_at, id",
    )
    .bind(user_id)
    .fetch_all(conn)
    .await)
}

/// The ids of the passkeys of a user that can be used on the domain `rp_id`, oldest first.
pub(super) async fn list_usable(db: &Db, user_id: Uuid, rp_id: &str) -> sqlx::Result<Vec<Vec<u8>>> {
    on_reader!(db, conn => sqlx::query_scalar(
        "select id from passkeys where user_id = $1 and (rp_id is null or rp_id = $2)
         order by created_at, id",
    )
    .bind(user_id)
    .bind(rp_id)
    .fetch_all(conn)
    .await)
}

/// Whether a user has a passkey that can be used on the domain `rp_id`.
pub(crate) async fn has_usable(tx: &mut Tx, user_id: Uuid, rp_id: &str) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "select exists (select 1 from passkeys
                        where user_id = $1 and (rp_id is null or rp_id = $2))",
    )
    .bind(user_id)
    .bind(rp_id)
    .fetch_one(conn)
    .await)
}

/// A passkey by its id.
pub(super) async fn find(db: &Db, id: &[u8]) -> sqlx::Result<Option<StoredPasskey>> {
    on_reader!(db, conn => sqlx::query_as(FIND).bind(id).fetch_optional(conn).await)
}

/// As [`find`], of a passkey whose user is locked.
pub(super) async fn find_in_tx(tx: &mut Tx, id: &[u8]) -> sqlx::Result<Option<StoredPasskey>> {
    in_tx!(tx, conn => sqlx::query_as(FIND).bind(id).fetch_optional(conn).await)
}

/// A passkey of a user; none when they have no such.
pub(super) async fn find_own(
    tx: &mut Tx,
    user_id: Uuid,
    id: &[u8],
) -> sqlx::Result<Option<OwnPasskey>> {
    in_tx!(tx, conn => sqlx::query_as(
        "select id, name, created_at, last_used_at, backed_up
         from passkeys where id = $1 and user_id = $2",
    )
    .bind(id)
    .bind(user_id)
    .fetch_optional(conn)
    .await)
}

/// Renames a passkey; none when the user has no such.
pub(super) async fn rename(
    tx: &mut Tx,
    user_id: Uuid,
    id: &[u8],
    name: &str,
) -> sqlx::Result<Option<OwnPasskey>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update passkeys set name = $1 where id = $2 and user_id = $3
         returning id, name, created_at, last_used_at, backed_up",
    )
    .bind(name)
    .bind(id)
    .bind(user_id)
    .fetch_optional(conn)
    .await)
}

/// Deletes a passkey of a user who is locked; false when they have no such.
pub(crate) async fn delete(tx: &mut Tx, user_id: Uuid, id: &[u8]) -> sqlx::Result<bool> {
    let deleted = in_tx!(tx, conn => sqlx::query(
        "delete from passkeys where id = $1 and user_id = $2",
    )
    .bind(id)
    .bind(user_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))?;
    count(tx, user_id).await?;
    Ok(deleted == 1)
}

/// Deletes the passkeys of a user who is locked that were added since then. Returns their names, and when
/// each was added.
pub(crate) async fn delete_since(
    tx: &mut Tx,
    user_id: Uuid,
    since: Timestamp,
) -> sqlx::Result<Vec<(String, Timestamp)>> {
    let deleted = in_tx!(tx, conn => sqlx::query_as(
        "delete from passkeys where user_id = $1 and created_at >= $2 returning name, created_at",
    )
    .bind(user_id)
    .bind(since)
    .fetch_all(conn)
    .await)?;
    count(tx, user_id).await?;
    Ok(deleted)
}

/// The names of the passkeys of a user, and when each was added, oldest first.
pub(crate) async fn names(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<Vec<(String, Timestamp)>> {
    in_tx!(tx, conn => sqlx::query_as(
        "select name, created_at from passkeys where user_id = $1 order by created_at, id",
    )
    .bind(user_id)
    .fetch_all(conn)
    .await)
}

/// How many passkeys there are, of all users, and how many of them cannot be used on the domain `rp_id`;
/// without a domain, none can.
#[cfg(feature = "server")]
pub(crate) async fn count_all(db: &Db, rp_id: Option<&str>) -> sqlx::Result<(i64, i64)> {
    on_reader!(db, conn => sqlx::query_as(
        "select count(*), count(case when $1 is null or rp_id <> $1 then 1 end) from passkeys",
    )
    .bind(rp_id)
    .fetch_one(conn)
    .await)
}

/// Records the use of a passkey, whose user is locked, on the domain `rp_id`.
pub(super) async fn note_use(
    tx: &mut Tx,
    id: &[u8],
    (credential, backed_up): (&str, bool),
    rp_id: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update passkeys set credential = $1, backed_up = $2, last_used_at = $3, rp_id = $4
         where id = $5",
    )
    .bind(credential)
    .bind(backed_up)
    .bind(now)
    .bind(rp_id)
    .bind(id)
    .execute(conn)
    .await
    .map(drop))
}

/// Removes up to `limit` challenges that have expired; returns how many.
pub(crate) async fn purge(tx: &mut Tx, now: Timestamp, limit: i64) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from passkey_challenges where challenge in
             (select challenge from passkey_challenges where expires_at < $1
              order by expires_at limit $2)",
    )
    .bind(now)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
