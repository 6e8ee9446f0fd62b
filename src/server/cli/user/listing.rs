//! Accounts and sessions as an operator sees them, as text and as JSON.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    auth::{Account, AccountState, OwnPasskey, session::store::OwnSession},
    clock::Timestamp,
    server::cli::terminal::harmless,
};

/// An account as `--json` shows it.
#[derive(Debug, Serialize)]
pub(super) struct AccountJson<'a> {
    id: Uuid,
    username: &'a str,
    email: Option<&'a str>,
    email_verified: bool,
    pending_email: Option<&'a str>,
    created_at: Timestamp,
    last_login_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    has_password: bool,
    has_totp: bool,
    passkeys: u64,
}

impl<'a> AccountJson<'a> {
    pub fn of(account: &'a Account) -> Self {
        Self {
            id: account.user.id,
            username: &account.user.username,
            email: account.user.email.as_deref(),
            email_verified: account.user.email_verified,
            pending_email: account.pending_email.as_deref(),
            created_at: account.user.created_at,
            last_login_at: account.last_login_at,
            disabled_at: account.disabled_at,
            has_password: account.password_hash.is_some(),
            has_totp: account.totp_since.is_some(),
            passkeys: account.passkey_count,
        }
    }
}

/// A session as `--json` shows it.
#[derive(Debug, Serialize)]
pub(super) struct SessionJson<'a> {
    id: Uuid,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    user_agent: Option<&'a str>,
    ip: Option<&'a str>,
}

impl<'a> SessionJson<'a> {
    pub fn of(session: &'a OwnSession) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            user_agent: session.user_agent.as_deref(),
            ip: session.ip.as_deref(),
        }
    }
}

/// An account on a line of `user list`.
pub(super) fn account_line(account: &Account) -> String {
    let user = &account.user;
    format!(
        "{:<32}  {:<32}  {}  {}",
        user.username,
        or_dash(user.email.as_deref()),
        user.created_at,
        state(account)
    )
}

/// An account as `user show` prints it, over several lines.
pub(super) fn account_page(account: &Account) -> String {
    let user = &account.user;
    let yes = |is_so| if is_so { "yes" } else { "no" };
    let has_password = yes(account.password_hash.is_some());
    let has_codes = yes(account.totp_since.is_some());
    let verified = match (&user.email, user.email_verified) {
        (Some(_), true) => " (verified)",
        (Some(_), false) => " (not verified)",
        (None, _) => "",
    };
    let last_login = account
        .last_login_at
        .map_or("never".to_owned(), |at| at.to_string());
    format!(
        "username    {}\n\
         id          {}\n\
         email       {}{verified}\n\
         password    {has_password}\n\
         codes       {has_codes}\n\
         passkeys    {}\n\
         created     {}\n\
         last login  {last_login}\n\
         state       {}",
        user.username,
        user.id,
        or_dash(user.email.as_deref()),
        account.passkey_count,
        user.created_at,
        state(account)
    )
}

/// A session on a line of `user sessions`.
pub(super) fn session_line(session: &OwnSession) -> String {
    format!(
        "{}  {:<27}  {:<27}  {:<15}  {}",
        session.id,
        session.created_at.to_string(),
        session.last_seen_at.to_string(),
        or_dash(session.ip.as_deref()),
        or_dash(session.user_agent.as_deref())
    )
}

/// A passkey on a line of `user passkeys`.
pub(super) fn passkey_line(passkey: &OwnPasskey) -> String {
    let last_used = passkey.last_used_at;
    format!(
        "{}  {:<27}  {:<27}  {}",
        BASE64_URL_SAFE_NO_PAD.encode(&passkey.id),
        passkey.created_at.to_string(),
        last_used.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        harmless(&passkey.name)
    )
}

fn or_dash(text: Option<&str>) -> String {
    text.map_or_else(|| "-".to_owned(), harmless)
}

fn state(account: &Account) -> &'static str {
    match account.state() {
        AccountState::Enabled => "enabled",
        AccountState::Disabled => "disabled",
    }
}
