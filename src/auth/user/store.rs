//! Accounts: the row and its SQL.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Account, AccountState, NewAccount, Taken, User, email::Email, username::Username};
use crate::{
    clock::Timestamp,
    db::{Db, Tx, in_tx, on_reader},
};

/// Inserts an account; none when the name or the address is taken (see [`find_taken`]).
pub(crate) async fn insert(
    tx: &mut Tx,
    account: &NewAccount,
    now: Timestamp,
    last_login_at: Option<Timestamp>,
) -> sqlx::Result<Option<User>> {
    in_tx!(tx, conn => sqlx::query_as(
        "insert into users
             (id, username, username_key, email, email_key, password_hash, created_at,
              last_login_at, pending_email)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict do nothing
         returning id, username, email, email_verified_at is not null as email_verified,
                   created_at",
    )
    .bind(now.new_id())
    .bind(account.username.as_typed())
    .bind(account.username.key())
    .bind(account.email.as_ref().map(Email::as_typed))
    .bind(account.email.as_ref().map(Email::key))
    .bind(account.password_hash.as_deref())
    .bind(now)
    .bind(last_login_at)
    .bind(account.pending_email.as_ref().map(Email::as_typed))
    .fetch_optional(conn)
    .await)
}

const FIND_TAKEN: &str = "select username_key from users where username_key = $1 or email_key = $2";

/// Whether the name or the address is taken.
pub(crate) async fn find_taken(
    db: &Db,
    username: &Username,
    email: Option<&Email>,
) -> sqlx::Result<Option<Taken>> {
    let takers = on_reader!(db, conn => sqlx::query_as(FIND_TAKEN)
        .bind(username.key())
        .bind(email.map(Email::key))
        .fetch_all(conn)
        .await)?;
    Ok(taken(&takers, username))
}

/// As [`find_taken`], in a transaction.
pub(crate) async fn find_taken_in_tx(
    tx: &mut Tx,
    username: &Username,
    email: Option<&Email>,
) -> sqlx::Result<Option<Taken>> {
    let takers = in_tx!(tx, conn => sqlx::query_as(FIND_TAKEN)
        .bind(username.key())
        .bind(email.map(Email::key))
        .fetch_all(conn)
        .await)?;
    Ok(taken(&takers, username))
}

fn taken(takers: &[(String,)], username: &Username) -> Option<Taken> {
    let is_username = takers.iter().any(|(key,)| key == username.key());
    match takers.first() {
        None => None,
        Some(_) if is_username => Some(Taken::Username),
        Some(_) => Some(Taken::Email),
    }
}

/// The account whose column has this value.
macro_rules! find_where {
    ($db:ident, $column:literal, $value:expr) => {
        on_reader!($db, conn => sqlx::query_as(concat!(
            "select id, username, email, email_verified_at is not null as email_verified, created_at,
                    password_hash, last_login_at, pending_email, totp_since, passkey_count, disabled_at
             from users where ", $column, " = $1",
        ))
        .bind($value)
        .fetch_optional(conn)
        .await)
    };
}

/// The account with this name.
pub(crate) async fn find(db: &Db, username: &Username) -> sqlx::Result<Option<Account>> {
    find_where!(db, "username_key", username.key())
}

/// The account of this user.
pub(crate) async fn find_by_id(db: &Db, id: Uuid) -> sqlx::Result<Option<Account>> {
    find_where!(db, "id", id)
}

/// The account of this address.
pub(crate) async fn find_by_email(db: &Db, email: &Email) -> sqlx::Result<Option<Account>> {
    find_where!(db, "email_key", email.key())
}

/// Changes a name; none when there is no such account.
pub(crate) async fn change_username(
    tx: &mut Tx,
    id: Uuid,
    username: &Username,
) -> sqlx::Result<Option<User>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update users set username = $1, username_key = $2 where id = $3
         returning id, username, email, email_verified_at is not null as email_verified,
                   created_at",
    )
    .bind(username.as_typed())
    .bind(username.key())
    .bind(id)
    .fetch_optional(conn)
    .await)
}

/// Changes an address, which was verified at `verified_at`, if it was; none when there is no such
/// account.
pub(crate) async fn change_email(
    tx: &mut Tx,
    id: Uuid,
    email: Option<&Email>,
    verified_at: Option<Timestamp>,
) -> sqlx::Result<Option<User>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update users set email = $1, email_key = $2, email_verified_at = $3, pending_email = null
         where id = $4
         returning id, username, email, email_verified_at is not null as email_verified,
                   created_at",
    )
    .bind(email.map(Email::as_typed))
    .bind(email.map(Email::key))
    .bind(verified_at)
    .bind(id)
    .fetch_optional(conn)
    .await)
}

/// Records that the address of an account was verified; false when it has another by now.
pub(crate) async fn verify_email(
    tx: &mut Tx,
    id: Uuid,
    email: &Email,
    now: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update users set email_verified_at = coalesce(email_verified_at, $1)
         where id = $2 and email_key = $3",
    )
    .bind(now)
    .bind(id)
    .bind(email.key())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Takes an address away from an account that has not verified it, if one has it; its user.
pub(crate) async fn take_unverified_email(
    tx: &mut Tx,
    email: &Email,
) -> sqlx::Result<Option<Uuid>> {
    in_tx!(tx, conn => sqlx::query_scalar(
        "update users set email = null, email_key = null
         where email_key = $1 and email_verified_at is null returning id",
    )
    .bind(email.key())
    .fetch_optional(conn)
    .await)
}

/// Removes up to `limit` sign-ups from before `before` whose address was never verified, where it has
/// to be; returns how many.
pub(crate) async fn purge_unverified(
    tx: &mut Tx,
    before: Timestamp,
    limit: i64,
) -> sqlx::Result<u64> {
    in_tx!(tx, conn => sqlx::query(
        "delete from users where id in
             (select id from users where pending_email is not null and created_at < $1
              order by created_at limit $2)
         and pending_email is not null",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}

/// The account of this user, locked until the transaction ends.
pub(crate) async fn lock_account(tx: &mut Tx, id: Uuid) -> sqlx::Result<Option<Account>> {
    in_tx!(tx, conn => sqlx::query_as(
        "update users set id = id where id = $1
         returning id, username, email, email_verified_at is not null as email_verified,
                   created_at, password_hash, last_login_at, pending_email, totp_since, passkey_count, disabled_at",
    )
    .bind(id)
    .fetch_optional(conn)
    .await)
}

/// Deletes an account; false when there is none.
pub(crate) async fn delete(tx: &mut Tx, id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query("delete from users where id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Up to `limit` accounts whose name sorts after `after`, sorted by name.
pub(crate) async fn list(db: &Db, after: &str, limit: i64) -> sqlx::Result<Vec<(String, Account)>> {
    #[derive(FromRow)]
    struct Row {
        username_key: String,
        #[sqlx(flatten)]
        account: Account,
    }
    let rows: Vec<Row> = on_reader!(db, conn => sqlx::query_as(
        "select username_key, id, username, email, email_verified_at is not null as email_verified,
                created_at, password_hash, last_login_at, pending_email, totp_since, passkey_count, disabled_at
         from users where username_key > $1 order by username_key limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await)?;
    Ok(rows
        .into_iter()
        .map(|row| (row.username_key, row.account))
        .collect())
}

/// Records a login; false when the account has changed since its password was verified. Locks the
/// row, so that the logins of one user run one after another.
pub(crate) async fn note_login(
    tx: &mut Tx,
    checked: &Account,
    now: Timestamp,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update users set last_login_at = $1
         where id = $2 and disabled_at is null and password_hash is not distinct from $3
           and (totp_since is null) = $4",
    )
    .bind(now)
    .bind(checked.user.id)
    .bind(checked.password_hash.as_deref())
    .bind(checked.totp_since.is_none())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Locks an account until the transaction ends; false when it has a passkey.
pub(crate) async fn has_no_passkey(tx: &mut Tx, id: Uuid) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update users set id = id where id = $1 and passkey_count = 0",
    )
    .bind(id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Locks an account until the transaction ends; false when it has changed since its password was
/// verified.
pub(crate) async fn lock_unchanged(tx: &mut Tx, checked: &Account) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update users set id = id
         where id = $1 and disabled_at is null and password_hash is not distinct from $2",
    )
    .bind(checked.user.id)
    .bind(checked.password_hash.as_deref())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Changes the password of an account if it is still `old_hash`; false when it is not.
pub(crate) async fn change_password(
    tx: &mut Tx,
    id: Uuid,
    old_hash: Option<&str>,
    new_hash: &str,
) -> sqlx::Result<bool> {
    in_tx!(tx, conn => sqlx::query(
        "update users set password_hash = $1
         where id = $2 and password_hash is not distinct from $3",
    )
    .bind(new_hash)
    .bind(id)
    .bind(old_hash)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Sets the password of an account.
pub(crate) async fn set_password(tx: &mut Tx, id: Uuid, hash: &str) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("update users set password_hash = $1 where id = $2")
        .bind(hash)
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}

/// Locks the user until the transaction ends, so that it sees every session of theirs.
pub(crate) async fn lock(tx: &mut Tx, id: Uuid) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query("update users set id = id where id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}

/// Replaces a hash with one of the same password at a higher cost.
pub(crate) async fn rehash(
    tx: &mut Tx,
    id: Uuid,
    old_hash: &str,
    new_hash: &str,
) -> sqlx::Result<()> {
    in_tx!(tx, conn => sqlx::query(
        "update users set password_hash = $1 where id = $2 and password_hash = $3",
    )
    .bind(new_hash)
    .bind(id)
    .bind(old_hash)
    .execute(conn)
    .await
    .map(drop))
}

/// Disables or enables the account.
pub(crate) async fn set_state(
    tx: &mut Tx,
    id: Uuid,
    state: AccountState,
    now: Timestamp,
) -> sqlx::Result<()> {
    let disabled_at = match state {
        AccountState::Enabled => None,
        AccountState::Disabled => Some(now),
    };
    in_tx!(tx, conn => sqlx::query("update users set disabled_at = $1 where id = $2")
        .bind(disabled_at)
        .bind(id)
        .execute(conn)
        .await
        .map(drop))
}
