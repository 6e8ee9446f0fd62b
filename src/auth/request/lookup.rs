//! What a request's cookie stands for, looked up once and only when somebody asks.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tower_sessions::session::Id;

use super::unauthorized::LoggedOut;
use crate::auth::{
    Auth,
    cookie::{NoSession, token::SessionToken},
    session::{self, cache::Known, live::LiveSession},
};

/// The session, or why there is none.
pub(crate) type Found = Result<Arc<LiveSession>, LoggedOut>;

/// The session of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Lookup {
    /// No cookie names one.
    Nothing(NoSession),
    /// It was in memory.
    Known(Known),
    /// The database is to say.
    Asked(Arc<Asked>),
}

/// A session that the database is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    token: SessionToken,
    /// Where it is to be kept in memory.
    cookie: Option<Box<[u8]>>,
    found: OnceCell<Found>,
}

impl Lookup {
    /// Of a session whose token is known to be right; to be kept in memory under `cookie`.
    pub fn ask(token: SessionToken, cookie: Option<Box<[u8]>>) -> Self {
        Self::Asked(Arc::new(Asked {
            token,
            cookie,
            found: OnceCell::new(),
        }))
    }

    /// What the cookie says, whatever it stands for; of a session that was found, with both ids.
    pub fn token(&self) -> Option<SessionToken> {
        match self {
            Self::Nothing(_) => None,
            Self::Known(known) => Some(known.session.token()),
            Self::Asked(asked) => Some(self.found().map_or(asked.token, LiveSession::token)),
        }
    }

    /// The secret id that the cookie names, whatever it stands for.
    pub fn id(&self) -> Option<Id> {
        self.token().map(|token| token.id)
    }

    /// The session, if it was looked up and there is one.
    pub fn found(&self) -> Option<&LiveSession> {
        match self {
            Self::Nothing(_) => None,
            Self::Known(known) => Some(&known.session),
            Self::Asked(asked) => asked.found.get()?.as_deref().ok(),
        }
    }

    /// The session, or why there is none. A database error is neither. What asks the database
    /// is boxed: a request that need not do so has a future a quarter as large.
    pub async fn find(&self, auth: &Auth) -> sqlx::Result<Found> {
        match self {
            Self::Nothing(reason) => Ok(Err(LoggedOut::Cookie(*reason))),
            Self::Known(known) if auth.cache().still_counts(known) => {
                auth.cache().note_use(&known.session, auth.now());
                Ok(Ok(known.session.clone()))
            }
            Self::Known(known) => Box::pin(find(auth, known.session.token(), None)).await,
            Self::Asked(asked) => {
                let find = || find(auth, asked.token, asked.cookie.as_deref());
                let found = asked.found.get_or_try_init(find);
                Box::pin(found).await.cloned()
            }
        }
    }
}

async fn find(auth: &Auth, token: SessionToken, cookie: Option<&[u8]>) -> sqlx::Result<Found> {
    let (cache, id) = (auth.cache(), token.id);
    let (stamp, last_use) = cache.begin_read(id);
    let public_id = match token.public_id {
        Some(public_id) => Some(public_id),
        None => auth.session_reader().read_public_id(id).await?,
    };
    let row = match public_id {
        Some(public_id) => auth.session_reader().read(public_id).await?,
        None => None,
    };
    let now = auth.now();
    let session = match session::store::live(id, row, auth.timeouts(), now, last_use) {
        Ok(session) => Arc::new(session),
        Err(reason) => return Ok(Err(LoggedOut::Session(reason))),
    };
    cache.note_use(&session, now);
    if let Some(cookie) = cookie {
        let session = session.clone();
        cache.put(cookie.into(), Known { session, stamp });
    }
    Ok(Ok(session))
}
