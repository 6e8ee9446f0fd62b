//! The lookup of a request's session, done once and only when needed.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::unauthorized::Unauthorized;
use crate::auth::{
    cookie::{NoSession, token::SessionToken},
    session::{Sessions, cache::Cached, live::LiveSession},
};
use crate::http::Error;

/// The session, or why there is none.
pub(crate) type Found = Result<Arc<LiveSession>, Unauthorized>;

/// The session of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// No cookie names one.
    Nothing(NoSession),
    /// It was cached.
    Cached(Cached),
    /// The database has to be read.
    Asked(Arc<Asked>),
}

/// A session that the database is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    token: SessionToken,
    /// The cookie to cache it under.
    cookie: Option<Box<[u8]>>,
    found: OnceCell<Found>,
}

impl Lookup {
    /// A lookup by a verified token, which caches the session under `cookie`.
    pub fn ask(token: SessionToken, cookie: Option<Box<[u8]>>) -> Self {
        Self::Asked(Arc::new(Asked {
            token,
            cookie,
            found: OnceCell::new(),
        }))
    }

    /// The token, live or not; with both ids if the session was found.
    pub fn token(&self) -> Option<SessionToken> {
        match self {
            Self::Nothing(_) => None,
            Self::Cached(cached) => Some(cached.session.token()),
            Self::Asked(asked) => Some(self.found().map_or(asked.token, LiveSession::token)),
        }
    }

    /// The secret id in the cookie, live or not.
    pub fn id(&self) -> Option<Id> {
        self.token().map(|token| token.id)
    }

    /// The session, if it was looked up and there is one.
    pub fn found(&self) -> Option<&LiveSession> {
        match self {
            Self::Nothing(_) => None,
            Self::Cached(cached) => Some(&cached.session),
            Self::Asked(asked) => asked.found.get()?.as_deref().ok(),
        }
    }

    /// The session, or why there is none; a database error is neither. The query is boxed: a
    /// request that does not need it has a future a quarter as large.
    pub async fn find(&self, sessions: &Sessions) -> Result<Found, Error> {
        let find = async |token, cookie| {
            let found = sessions.find(token, cookie).await?;
            Ok(found.map_err(Unauthorized::Session))
        };
        match self {
            Self::Nothing(reason) => Ok(Err(Unauthorized::Cookie(*reason))),
            Self::Cached(cached) if sessions.reuse(cached) => Ok(Ok(cached.session.clone())),
            Self::Cached(cached) => Box::pin(find(cached.session.token(), None)).await,
            Self::Asked(asked) => {
                let find = || find(asked.token, asked.cookie.as_deref());
                let found = asked.found.get_or_try_init(find);
                Box::pin(found).await.cloned()
            }
        }
    }
}
