//! What an operator does to the passkeys of somebody.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{find, listing::passkey_line};
use crate::{
    auth::{Accounts, User},
    server::cli::{
        Failure,
        args::Passkeys,
        terminal::{say, say_json},
    },
};

/// Lists them, or deletes one.
pub(super) async fn run(of: Passkeys, accounts: &Accounts) -> Result<(), Failure> {
    let user = find(accounts, &of.name).await?.user;
    if let Some(id) = of.delete {
        return delete(&id, &user, accounts).await;
    }
    let passkeys = accounts.passkeys(&user).await?;
    if passkeys.is_empty() && !of.json {
        return say(&format!("{} has no passkeys", user.username));
    }
    for passkey in &passkeys {
        match of.json {
            true => say_json(passkey)?,
            false => say(&passkey_line(passkey))?,
        }
    }
    Ok(())
}

async fn delete(id: &str, user: &User, accounts: &Accounts) -> Result<(), Failure> {
    let name = &user.username;
    let is_deleted = match BASE64_URL_SAFE_NO_PAD.decode(id) {
        Ok(id) => accounts.delete_passkey(user, &id).await?,
        Err(_) => false,
    };
    if !is_deleted {
        return Err(Failure::other(format!("{name} has no passkey {id}")));
    }
    say(&format!(
        "deleted a passkey of {name}; `handstamp user sign-out {name}` ends the sessions that it has begun"
    ))
}
