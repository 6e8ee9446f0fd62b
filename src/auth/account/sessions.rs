//! The sessions of accounts, for the commands that list and count them.

use uuid::Uuid;

use super::{Accounts, store};
use crate::{
    auth::{
        Account, AccountState,
        session::{self, store::OwnSession, timeouts::Timeouts},
    },
    http::Error,
};

impl Accounts {
    /// The live sessions of a user, newest first; none while the account is disabled.
    pub(crate) async fn sessions(
        &self,
        account: &Account,
        timeouts: Timeouts,
    ) -> Result<Vec<OwnSession>, Error> {
        if account.state() == AccountState::Disabled {
            return Ok(Vec::new());
        }
        let now = self.now();
        // No request is under way that could have a session of its own.
        let current = Uuid::nil();
        let mut sessions = session::store::list(&self.db, account.user.id, current, now).await?;
        sessions.retain(|own| now < timeouts.expires_at(own.created_at, own.last_seen_at));
        Ok(sessions)
    }

    /// How many sessions of users are live by the dates in their rows.
    pub(crate) async fn count_live_sessions(&self) -> Result<i64, Error> {
        Ok(store::count_live_sessions(&self.db, self.now()).await?)
    }
}
