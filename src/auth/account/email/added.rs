//! Removing what others may have added to log in with, when an owner gets their account back.

#[cfg(feature = "passkeys")]
use crate::auth::passkey;
#[cfg(feature = "totp")]
use crate::auth::totp;
use crate::{
    auth::{
        audit::{self, Action, Event},
        letters::letter::{Change, Factors, SecurityChange},
        user::Account,
    },
    clock::Timestamp,
    db::Tx,
    http::Client,
};

/// What was removed from an account, and what stays.
pub(in crate::auth::account) struct Removed {
    gone: Factors,
    stays: Factors,
}

impl Removed {
    /// What its owner is told.
    pub fn told_as(self, change: SecurityChange, client: &Client) -> Change {
        let Self { gone, stays } = self;
        Change::new(change, Some(client)).of(gone).with_kept(stays)
    }
}

/// Removes what an account, which is locked, has got since `since` to log in with beside its password.
/// None when that is nothing.
pub(in crate::auth::account) async fn remove(
    tx: &mut Tx,
    account: &Account,
    since: Timestamp,
    client: &Client,
    now: Timestamp,
) -> sqlx::Result<Option<Removed>> {
    let user_id = account.user.id;
    let mut actions: Vec<Action> = Vec::new();
    let (mut gone, mut stays) = (Factors::default(), Factors::default());
    #[cfg(feature = "passkeys")]
    {
        gone.passkeys = passkey::store::delete_since(tx, user_id, since).await?;
        stays.passkeys = passkey::store::names(tx, user_id).await?;
        actions.extend(gone.passkeys.iter().map(|_| Action::DeletePasskey));
    }
    #[cfg(feature = "totp")]
    {
        let removed = totp::store::delete_since(tx, user_id, since).await?;
        gone.codes = match removed {
            Some(Action::DisableTotp) => Some("Two-step login, with its recovery codes"),
            Some(_) => Some("Recovery codes, which had taken the place of earlier ones"),
            None => None,
        };
        let is_on = account.totp_since.is_some() && removed != Some(Action::DisableTotp);
        stays.codes = is_on.then_some("Two-step login");
        actions.extend(removed);
    }
    #[cfg(not(any(feature = "passkeys", feature = "totp")))]
    let _ = (since, &mut actions, &mut gone, &mut stays);
    if actions.is_empty() {
        return Ok(None);
    }
    let events = actions.into_iter();
    let events = events.map(|action| Event::new(action, user_id, Some(client)));
    audit::record(tx, now, events).await?;
    Ok(Some(Removed { gone, stays }))
}
