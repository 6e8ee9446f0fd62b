//! The sessions of accounts, for operators.

use uuid::Uuid;

use super::{Accounts, store};
use crate::{
    auth::{
        Account, AccountState,
        audit::{self, Action, Event},
        session::{self, store::OwnSession, timeouts::Timeouts},
    },
    http::Error,
};

/// Sessions ended in one transaction, so that no request waits long for the write lock.
const BATCH: i64 = 500;

impl Accounts {
    /// Ends every session of every user; returns how many. Sessions that begin meanwhile end as
    /// well. Visitors, who are not logged in, keep theirs.
    ///
    /// # Errors
    /// When the database is not available; some sessions may have ended.
    pub async fn sign_out_all(&self) -> Result<u64, Error> {
        let mut ended = 0;
        let mut is_recorded = false;
        loop {
            let end = (self.now(), is_recorded);
            let batch = self.db.write(end, |&(now, is_recorded), tx| {
                Box::pin(async move {
                    let ids = store::delete_sessions(tx, BATCH).await?;
                    if !is_recorded {
                        let event = Event::of_everybody(Action::EndAllSessions);
                        audit::record(tx, now, [event]).await?;
                    }
                    let count = ids.len();
                    tx.revoke(ids.into_iter().map(Into::into));
                    Ok::<_, sqlx::Error>(count)
                })
            });
            match batch.await? {
                0 => return Ok(ended),
                batch => ended += batch as u64,
            }
            is_recorded = true;
        }
    }

    /// The live sessions of a user, newest first; none while the account is disabled.
    #[cfg(feature = "server")]
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
    #[cfg(feature = "server")]
    pub(crate) async fn count_live_sessions(&self) -> Result<i64, Error> {
        Ok(store::count_live_sessions(&self.db, self.now()).await?)
    }
}
