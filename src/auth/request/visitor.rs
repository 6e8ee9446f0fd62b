//! The sender of a request, logged in or not.

use std::net::IpAddr;

use axum::{extract::FromRequestParts, http::request::Parts};
use uuid::Uuid;

use super::SessionHandle;
use crate::{
    auth::{session, user::User},
    db::Tx,
    http::{Error, client_ip},
};

/// The sender of a request, with a session to count them by if one is needed.
#[derive(Clone, Debug)]
pub struct Visitor {
    session: SessionHandle,
    ip: Option<IpAddr>,
}

impl Visitor {
    /// Who is logged in.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`] with the reason.
    pub async fn user(&self) -> Result<User, Error> {
        self.session.user().await.map(|(user, _)| user)
    }

    /// Who is logged in, if anybody.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn optional_user(&self) -> Result<Option<User>, Error> {
        match self.user().await {
            Ok(user) => Ok(Some(user)),
            Err(Error::NotLoggedIn { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The client's address; unknown when the app is served without connection info.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The public id of the session, if there is one.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn session_id(&self) -> Result<Option<Uuid>, Error> {
        Ok(self
            .session
            .find()
            .await?
            .ok()
            .map(|session| session.public_id))
    }

    /// The public id of the session; begins a visitor's session if there is none. It lives until
    /// it expires or somebody logs in on it; without a second request it expires after a day.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn begin_session(&self) -> Result<Uuid, Error> {
        match self.session_id().await? {
            Some(id) => Ok(id),
            None => self.session.begin().await,
        }
    }

    /// Locks this session until the transaction ends; false when it has ended.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn lock_session(&self, tx: &mut Tx, session_id: Uuid) -> Result<bool, Error> {
        Ok(session::store::lock(tx, session_id).await?)
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = SessionHandle::from_request_parts(parts, state).await?;
        let proxies = session.trusted_proxies();
        let ip = client_ip(&parts.headers, &parts.extensions, proxies);
        Ok(Self { session, ip })
    }
}
