//! Follows the session of a request beyond its end.

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{SessionHandle, lookup::Lookup, unauthorized::Unauthorized};
use crate::{
    auth::session::{
        device::Refusal,
        events::{Followed, SessionEvents},
    },
    http::Error,
};

impl SessionHandle {
    /// What becomes of the session from now on, or why there is none. This is no use of it: what
    /// follows a session comes again by itself when its connection is lost.
    pub async fn follow(&self) -> Result<Result<SessionEvents, Unauthorized>, Error> {
        let lookup = self.lookup();
        let token = match (&lookup, lookup.token()) {
            (Lookup::Nothing(reason), _) => return Ok(Err(Unauthorized::Cookie(*reason))),
            (_, None) => return Err(self.unknown_session()),
            (_, Some(token)) => token,
        };
        if lookup.is_unproven() {
            // It is recorded there.
            let reason = self.find().await?.err();
            return Ok(Err(reason.unwrap_or(Unauthorized::DeviceProofMissing)));
        }
        Ok(match self.sessions().follow(token, self.proof()).await? {
            Followed::Events(events) => Ok(events),
            Followed::Visitor => Err(Unauthorized::Visitor),
            Followed::Unproven(session) => {
                if let Some(client) = lookup.unproven_client() {
                    let refusal = Refusal::NoProof;
                    let noted = self.sessions().note_refused(&session, refusal, client);
                    noted.await;
                }
                Err(Unauthorized::DeviceProofMissing)
            }
            Followed::NotLive(reason) => Err(Unauthorized::Session(reason)),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for SessionEvents {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = SessionHandle::of(&parts.extensions)?;
        let followed = session.follow().await?;
        followed.map_err(|reason| session.not_logged_in(reason))
    }
}
