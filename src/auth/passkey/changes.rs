//! Adding, naming and deleting passkeys.

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::PasskeyRegistration;

use super::{
    ChallengedBrowser, OwnPasskey, RelyingParty,
    challenges::{Purpose, keep, take},
    store,
};
use crate::{
    auth::{
        account::{credentials::Credentials, lock_logged_in},
        audit::{self, Action, Event},
        letters::letter::{Change, SecurityChange},
        session,
        throttle::Attempt,
        user::User,
    },
    clock::Timestamp,
    db::Tx,
    http::{Client, Error},
};

const MAX_NAME_CHARS: usize = 64;
/// Each is named in the options of the next.
const MAX_PASSKEYS: u64 = 50;

/// The name of a passkey as it is stored.
///
/// # Errors
/// [`Error::Invalid`]
pub(crate) fn checked_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(Error::invalid("name", "must have 1 to 64 characters"));
    }
    Ok(name.to_owned())
}

impl Credentials {
    pub(super) fn relying_party(&self) -> Result<&RelyingParty, Error> {
        self.passkeys.as_ref().ok_or(Error::NotFound)
    }

    /// The passkeys of a user, oldest first.
    pub async fn list_passkeys(&self, user_id: Uuid) -> Result<Vec<OwnPasskey>, Error> {
        Ok(store::list(self.db(), user_id).await?)
    }

    /// Asks the browser of a user for a new passkey; returns the options to create it.
    pub async fn creation_options(
        &self,
        user: &User,
        browser: &ChallengedBrowser,
    ) -> Result<Value, Error> {
        let relying_party = self.relying_party()?;
        let present = store::list_usable(self.db(), user.id, relying_party.id()).await?;
        let ceremony = relying_party.begin_registration(user, present)?;
        // Who is logged in is limited by their session alone.
        let (attempt, now) = (Attempt::new(Vec::new()), self.now());
        keep(self.db(), &ceremony, Purpose::Add, browser, attempt, now).await?;
        Ok(ceremony.options)
    }

    /// Adds a passkey that the browser of a session has made; none when the session has ended.
    ///
    /// # Errors
    /// [`Error::BadPasskey`], [`Error::TooManyPasskeys`]
    pub async fn add_passkey(
        &self,
        user: &User,
        session_id: Uuid,
        credential: Value,
        name: String,
        client: &Client,
    ) -> Result<Option<OwnPasskey>, Error> {
        let (db, now) = (self.db(), self.now());
        let browser = ChallengedBrowser::session(session_id);
        let state = take::<PasskeyRegistration>(db, &credential, Purpose::Add, &browser, now);
        let state = state.await?.ok_or(Error::BadPasskey)?;
        let made = self.relying_party()?.check_new(credential, &state)?;
        let passkey = OwnPasskey {
            id: made.id,
            name,
            created_at: now,
            last_used_at: None,
            backed_up: made.backed_up,
        };
        let add = (self.clone(), user.id, passkey, made.credential);
        let added = db.write(
            (add, session_id, client.clone()),
            |((credentials, user_id, passkey, credential), session_id, client), tx| {
                Box::pin(async move {
                    let now = credentials.now();
                    let Some(account) = lock_logged_in(tx, *user_id, *session_id).await? else {
                        return Ok(None);
                    };
                    if account.passkey_count >= MAX_PASSKEYS {
                        return Err(Error::TooManyPasskeys);
                    }
                    let of = *session_id;
                    credentials.check_has_none_to_give(tx, &account, of).await?;
                    let rp_id = credentials.relying_party()?.id();
                    store::insert(tx, *user_id, passkey, credential, rp_id)
                        .await
                        .map_err(bad_if_taken)?;
                    // An authenticator verifies its user to make a passkey, as it does to use one.
                    session::store::note_second_factor(tx, *session_id, now).await?;
                    let change = (Action::AddPasskey, SecurityChange::PasskeyAdded, passkey);
                    credentials
                        .note_change(tx, &account.user, change, client, now)
                        .await?;
                    Ok::<_, Error>(Some(passkey.clone()))
                })
            },
        );
        added.await
    }

    /// Renames a passkey; to the name that it has, this does nothing. None when the session has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no such.
    pub async fn rename_passkey(
        &self,
        (user_id, session_id): (Uuid, Uuid),
        id: Vec<u8>,
        name: String,
        client: &Client,
    ) -> Result<Option<OwnPasskey>, Error> {
        let rename = (self.clone(), user_id, id, name, client.clone());
        let renamed = self.db().write(
            rename,
            move |(credentials, user_id, id, name, client), tx| {
                Box::pin(async move {
                    let now = credentials.now();
                    let Some(account) = lock_logged_in(tx, *user_id, session_id).await? else {
                        return Ok(None);
                    };
                    let present = store::find_own(tx, *user_id, id).await?;
                    let present = present.ok_or(Error::NotFound)?;
                    if present.name == *name {
                        tx.abandon();
                        return Ok(Some(present));
                    }
                    let renamed = store::rename(tx, *user_id, id, name).await?;
                    let renamed = renamed.ok_or(Error::NotFound)?;
                    let change = (
                        Action::RenamePasskey,
                        SecurityChange::PasskeyRenamed,
                        &renamed,
                    );
                    credentials
                        .note_change(tx, &account.user, change, client, now)
                        .await?;
                    Ok(Some(renamed))
                })
            },
        );
        renamed.await
    }

    /// Deletes a passkey; sessions that it has begun go on. None when the session has ended.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no such; [`Error::LastCredential`] when they have
    /// nothing else to log in with here.
    pub async fn delete_passkey(
        &self,
        (user_id, session_id): (Uuid, Uuid),
        id: Vec<u8>,
        client: &Client,
    ) -> Result<Option<()>, Error> {
        let delete = (self.clone(), user_id, id, client.clone());
        let deleted = self
            .db()
            .write(delete, move |(credentials, user_id, id, client), tx| {
                Box::pin(async move {
                    let now = credentials.now();
                    let Some(account) = lock_logged_in(tx, *user_id, session_id).await? else {
                        return Ok(None);
                    };
                    let passkey = store::find_own(tx, *user_id, id).await?;
                    let passkey = passkey.ok_or(Error::NotFound)?;
                    store::delete(tx, *user_id, id).await?;
                    let rp_id = credentials.relying_party()?.id();
                    if account.password_hash.is_none()
                        && !store::has_usable(tx, *user_id, rp_id).await?
                    {
                        return Err(Error::LastCredential);
                    }
                    let change = SecurityChange::PasskeyDeleted;
                    let change = (Action::DeletePasskey, change, &passkey);
                    credentials
                        .note_change(tx, &account.user, change, client, now)
                        .await?;
                    Ok(Some(()))
                })
            });
        deleted.await
    }

    /// Records and tells what was changed.
    async fn note_change(
        &self,
        tx: &mut Tx,
        user: &User,
        (action, change, passkey): (Action, SecurityChange, &OwnPasskey),
        client: &Client,
        now: Timestamp,
    ) -> Result<(), Error> {
        if change != SecurityChange::PasskeyRenamed {
            // Cached sessions say whether their user has a passkey.
            tx.revoke([user.id.into()]);
        }
        let change = Change::new(change, Some(client)).of_passkeys([named(passkey)]);
        self.tell_of_change(tx, user, &change, now).await?;
        Ok(audit::record(tx, now, [Event::new(action, user.id, Some(client))]).await?)
    }
}

/// The name of a passkey, and when it was added.
pub(super) fn named(passkey: &OwnPasskey) -> (String, Timestamp) {
    (passkey.name.clone(), passkey.created_at)
}

/// Somebody has a passkey of this id: no authenticator makes one twice.
fn bad_if_taken(error: sqlx::Error) -> Error {
    let is_taken = error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation());
    if is_taken {
        Error::BadPasskey
    } else {
        error.into()
    }
}
