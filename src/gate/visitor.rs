//! Whoever asks, logged in or not.

use std::net::IpAddr;

use axum::{extract::FromRequestParts, http::request::Parts};
use uuid::Uuid;

use super::{request_session::RequestSession, sessions, users::User};
use crate::{
    db::Tx,
    http::{Error, client_ip},
};

/// Whoever asks, with a session to count them by where one is wanted.
#[derive(Clone, Debug)]
pub struct Visitor {
    session: RequestSession,
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
    /// When the database does not answer.
    pub async fn optional_user(&self) -> Result<Option<User>, Error> {
        let session = self.session.find().await?.ok();
        Ok(session.and_then(|session| session.user.clone()))
    }

    /// The address of whoever asks; unknown when the app is served without connection info.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// What the session is called, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_id(&self) -> Result<Option<Uuid>, Error> {
        Ok(self
            .session
            .find()
            .await?
            .ok()
            .map(|session| session.public_id))
    }

    /// What the session is called: begun now, as a visitor's, where there was none. It goes
    /// on until it expires or somebody logs in on it; without a second request within a day it
    /// expires then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_session(&self) -> Result<Uuid, Error> {
        match self.session_id().await? {
            Some(id) => Ok(id),
            None => self.session.begin().await,
        }
    }

    /// Has whoever else works on this session wait for the end of the transaction; false
    /// when the session has ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock_session(&self, tx: &mut Tx, session_id: Uuid) -> Result<bool, Error> {
        Ok(sessions::lock(tx, session_id).await?)
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = RequestSession::from_request_parts(parts, state).await?;
        let proxies = session.gate().trusted_proxies();
        let ip = client_ip(&parts.headers, &parts.extensions, proxies);
        Ok(Self { session, ip })
    }
}
