//! Remembers which key signed a session's cookie last.

use super::live::LiveSession;
use crate::auth::{
    Auth,
    audit::{Action, Event},
    session,
};
use crate::http::Client;

impl Auth {
    /// Writes down, once, that a session's cookie was signed anew. That it could not be is no
    /// reason to keep the cookie from its owner.
    pub(crate) async fn note_resigned(&self, session: &LiveSession, client: Option<&Client>) {
        let key_id = self.cookie().key_id();
        let Some(user) = &session.user else { return };
        if session.key_id.as_deref() == Some(key_id) {
            return;
        }
        let noted = async {
            let mut tx = self.db().begin().await?;
            if session::store::note_key(&mut tx, session.public_id, key_id).await? {
                let event = Event::new(Action::ResignCookie, user.id, client);
                self.accounts().commit(tx, &[event], Vec::new()).await?;
            }
            Ok::<_, sqlx::Error>(())
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "a cookie signed anew could not be written down");
        }
    }
}
