//! Ends sessions one by one, in the database and in memory.

use tower_sessions::session::Id;
use uuid::Uuid;

use super::{sessions, state::Gate};

impl Gate {
    /// Ends a session, also one that goes on under another id since this very moment.
    pub(super) async fn end_session(&self, id: Id) -> sqlx::Result<()> {
        let db = self.db().clone();
        let ending = async move {
            match sessions::delete(&db, id).await {
                Ok(public_ids) => (Ok(()), public_ids.into_iter().map(Into::into).collect()),
                Err(error) => (Err(error), Vec::new()),
            }
        };
        self.revocations().after(vec![id.into()], ending).await
    }

    /// Ends one of a user's sessions; false when the user has none of that id.
    pub(super) async fn end_own_session(
        &self,
        user_id: Uuid,
        public_id: Uuid,
    ) -> sqlx::Result<bool> {
        let db = self.db().clone();
        let ending = async move {
            let ended = sessions::delete_own(&db, user_id, public_id).await;
            (ended, Vec::new())
        };
        self.revocations()
            .after(vec![public_id.into()], ending)
            .await
    }
}
