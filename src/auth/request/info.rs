//! What a page has to know of the session of its requests.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SessionHandle, lookup::Found, who};
use crate::{
    auth::{
        session::{Sessions, live::LiveSession, proof::Proof},
        user::User,
    },
    clock::Timestamp,
    http::Error,
};

/// Who is logged in, since when, and until when they need not prove again who they are: what `GET
/// /session` responds with. As an argument of a handler it is there for everybody; while the database
/// does not respond, it is 503.
///
/// ```
/// use handstamp::{Error, auth::SessionInfo};
///
/// async fn greeting(session: SessionInfo) -> Result<String, Error> {
///     let name = session.user.map_or("stranger".to_owned(), |user| user.username);
///     Ok(format!("Hello {name}"))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(
    description = "Who is logged in, since when, and when they have to prove again who they are"
)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Who is logged in; null when nobody is.
    #[schema(required)]
    pub user: Option<User>,
    /// The session that they are logged in on.
    #[schema(required)]
    pub session: Option<SessionDates>,
    /// What is asked of them before they change how somebody gets in; null for an account without
    /// credentials, which is never asked.
    #[schema(required)]
    pub reauthentication: Option<Reauthentication>,
    /// Why nobody is logged in, as in the 401 of `/checklogin`.
    #[schema(required, example = json!(null))]
    pub reason: Option<&'static str>,
}

/// A session that somebody is logged in on, and its dates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct SessionDates {
    /// The public id; not the secret in the cookie.
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    pub id: Uuid,
    /// When they logged in.
    pub created_at: Timestamp,
    /// When they last proved on this session who they are.
    pub authenticated_at: Timestamp,
    /// When it expires, unless it is used before; a use counts for at most a minute too little.
    pub expires_at: Timestamp,
}

/// When a user has to prove again who they are, and how they can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Reauthentication {
    /// After this moment they are asked.
    pub required_after: Timestamp,
    /// `password`, `passkey`, or both: either is enough.
    #[schema(value_type = Vec<String>, example = json!(["password", "passkey"]))]
    pub methods: Vec<&'static str>,
}

impl SessionInfo {
    fn of(sessions: &Sessions, session: &LiveSession, user: User, proof: Proof) -> Self {
        let methods = proof.methods();
        let required_after =
            proof.required_after(sessions.reauthentication_window(), sessions.now());
        Self {
            user: Some(user),
            session: Some(SessionDates {
                id: session.public_id,
                created_at: session.created_at(),
                authenticated_at: proof.authenticated_at,
                expires_at: session.expires_at(sessions.timeouts()),
            }),
            reauthentication: proof.has_credentials().then_some(Reauthentication {
                required_after,
                methods,
            }),
            reason: None,
        }
    }

    /// Of a request, also of a user who has yet to add the second factor that the app asks of them.
    pub(crate) async fn of_request(handle: &SessionHandle) -> Result<Self, Error> {
        Ok(Self::of_found(handle, handle.find().await?))
    }

    fn of_found(handle: &SessionHandle, found: Found) -> Self {
        match who(found, |session, user| (session.clone(), user.clone())) {
            Ok((session, user)) => Self::of(handle.sessions(), &session, user, session.proof),
            Err(reason) => Self {
                user: None,
                session: None,
                reauthentication: None,
                reason: Some(reason.as_str()),
            },
        }
    }

    /// Of the session that `user` has just proved on who they are.
    pub(crate) fn reauthenticated(
        sessions: &Sessions,
        session: &LiveSession,
        user: User,
        authenticated_at: Timestamp,
    ) -> Self {
        let proof = Proof {
            authenticated_at,
            ..session.proof
        };
        Self::of(sessions, session, user, proof)
    }
}

impl<S: Sync> FromRequestParts<S> for SessionInfo {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let handle = SessionHandle::from_request_parts(parts, state).await?;
        let found = handle.find().await?;
        handle.check_second_factor(&found)?;
        Ok(Self::of_found(&handle, found))
    }
}
