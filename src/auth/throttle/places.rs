//! Where the users of accounts were seen, for the notice of a new place. Unlike the addresses that a
//! rate limit knows, a new password makes no place new, and no limit need be set.

use std::net::IpAddr;

use uuid::Uuid;

use super::{KNOWN_ADDRESS, keys::network, known_again, store, store::Tally};
use crate::{clock::Timestamp, db::Tx};

/// Records that a user was seen at an address; whether that was new, as far back as is known.
pub(crate) async fn note(
    tx: &mut Tx,
    user_id: Uuid,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let Some(ip) = ip else {
        return Ok(false);
    };
    let key = place(user_id, ip);
    let expires_at = store::find_expiry(tx, &key).await?;
    if expires_at.is_none_or(|expires_at| expires_at < known_again(now)) {
        let seen = Tally::new(now, now.after(KNOWN_ADDRESS));
        store::put(tx, &[(&key, seen)]).await?;
    }
    Ok(expires_at.is_none_or(|expires_at| expires_at <= now))
}

/// Whether a user was seen at an address.
pub(crate) async fn is_known(
    tx: &mut Tx,
    user_id: Uuid,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let Some(ip) = ip else {
        return Ok(false);
    };
    let expires_at = store::find_expiry(tx, &place(user_id, ip)).await?;
    Ok(expires_at.is_some_and(|expires_at| expires_at > now))
}

/// Forgets where a user was seen, as the account is deleted.
pub(crate) async fn forget(tx: &mut Tx, user_id: Uuid) -> sqlx::Result<()> {
    store::delete_all(tx, &key(user_id)).await
}

fn place(user_id: Uuid, ip: IpAddr) -> String {
    format!("{} at {}", key(user_id), network(ip))
}

fn key(user_id: Uuid) -> String {
    format!("seen {user_id}")
}
