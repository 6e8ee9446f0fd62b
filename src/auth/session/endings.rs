//! Ends sessions one by one, in the database and in memory.

use tower_sessions::session::Id;
use uuid::Uuid;

use crate::auth::{
    Auth,
    audit::{Action, Event},
    session,
};
use crate::{db::Revocable, http::Client};

impl Auth {
    /// Ends sessions, also those that go on under another id since this very moment. With a
    /// client, whoever is logged in on them has logged out.
    pub(crate) async fn end_sessions(
        &self,
        ids: &[Id],
        client: Option<&Client>,
    ) -> sqlx::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut ended: Vec<Revocable> = ids.iter().map(|id| (*id).into()).collect();
        let mut events = Vec::new();
        let mut tx = self.db().begin().await?;
        for id in ids {
            for (public_id, user_id) in session::store::delete(&mut tx, *id).await? {
                ended.push(public_id.into());
                if let (Some(user_id), Some(client)) = (user_id, client) {
                    events.push(Event::new(Action::LogOut, user_id, Some(client)));
                }
            }
        }
        self.accounts().commit(tx, &events, ended).await
    }

    /// Ends one of a user's own sessions; false when they have none of that id.
    pub(crate) async fn end_own_session(
        &self,
        user_id: Uuid,
        public_id: Uuid,
        client: &Client,
    ) -> sqlx::Result<bool> {
        let mut tx = self.db().begin().await?;
        let is_ended = session::store::delete_own(&mut tx, user_id, public_id).await?;
        let event = Event::new(Action::EndSessions, user_id, Some(client));
        let events = if is_ended { &[event][..] } else { &[] };
        // Another server may have ended it just now.
        let ended = vec![public_id.into()];
        self.accounts().commit(tx, events, ended).await?;
        Ok(is_ended)
    }
}
