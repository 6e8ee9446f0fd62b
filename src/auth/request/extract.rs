//! What handlers take from a request with a session.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};

use super::{SessionHandle, lookup::Lookup, unauthorized::Unauthorized};
use crate::{
    auth::{
        session::events::{Followed, SessionEvents},
        user::User,
    },
    http::{Client, Error},
};

/// Who is logged in. As an argument it gives visitors 401 with the reason; as
/// `Option<CurrentUser>` it is none for them. While the database does not respond, both give 503:
/// nobody is treated as logged out because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser(pub User);

impl<S: Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = SessionHandle::from_request_parts(parts, state).await?;
        session.user().await.map(|(user, _)| Self(user))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(user) => Ok(Some(user)),
            Err(Error::NotLoggedIn { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The session of a request and the client that sent it, for
/// [`Auth::log_in`](crate::Auth::log_in).
#[derive(Clone, Debug)]
pub struct RequestSession {
    pub(crate) handle: SessionHandle,
    pub(crate) client: Client,
}

impl RequestSession {
    /// Ends the session: once this returns, no copy of its cookie is good for anything. One that is bound
    /// to a device goes on unless the request proves that, and only the cookie is removed.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn log_out(&self) -> Result<(), Error> {
        self.handle.log_out(&self.client).await
    }
}

impl<S: Sync> FromRequestParts<S> for RequestSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let handle = SessionHandle::of(&parts.extensions)?;
        let client = Client::of(&parts.headers, &parts.extensions, handle.trusted_proxies());
        Ok(Self { handle, client })
    }
}

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
            // The lookup records the refusal.
            let reason = self.find().await?.err();
            return Ok(Err(reason.unwrap_or(Unauthorized::DeviceProofMissing)));
        }
        Ok(
            match self.sessions().follow(token, self.device_proof()).await? {
                Followed::Events(events) => Ok(events),
                Followed::Visitor => Err(Unauthorized::Visitor),
                Followed::Unproven(session) => {
                    if let Some(client) = lookup.unproven_client() {
                        client.note(self.sessions(), &session).await;
                    }
                    Err(Unauthorized::DeviceProofMissing)
                }
                Followed::NotLive(reason) => Err(Unauthorized::Session(reason)),
            },
        )
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
