//! The caller's own sessions.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    auth::{
        account::Accounts,
        request::{SessionHandle, extract::RequestSession},
        session::store::OwnSession,
    },
    http::{
        Error, OneId, PathIds,
        problem_responses::{NotFound, NotLoggedIn, ReauthenticationRequired},
    },
};

#[derive(Serialize, ToSchema)]
pub(super) struct OwnSessions {
    sessions: Vec<OwnSession>,
}

/// Where the caller is logged in
///
/// Newest first.
#[utoipa::path(get, path = "/sessions", tag = "account", security(("session" = [])), responses(
    (status = 200, body = OwnSessions),
    NotLoggedIn,
))]
pub(super) async fn list_sessions(session: SessionHandle) -> Result<Json<OwnSessions>, Error> {
    let (current, user_id) = session.logged_in().await?;
    let sessions = session.sessions().list(user_id, &current).await?;
    Ok(Json(OwnSessions { sessions }))
}

/// End one of the caller's own sessions
///
/// The current one at any time, another one soon after a proof of who the caller is. Whether there is
/// one of that id is not said before.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "account",
    params(OneId),
    security(("session" = [])),
    responses(
        (status = 204, description = "It has ended",
            headers(("Set-Cookie", description = "Removes the cookie, if it was this session's"))),
        NotLoggedIn,
        ReauthenticationRequired,
        NotFound,
    ),
)]
pub(super) async fn end_session(
    session: RequestSession,
    PathIds(OneId { id }): PathIds<OneId>,
) -> Result<StatusCode, Error> {
    let RequestSession { handle, client } = session;
    let (user, current) = handle.user().await?;
    if id != current {
        handle.recently_authenticated().await?;
    }
    if !handle.sessions().end_one(user.id, id, &client).await? {
        return Err(Error::NotFound);
    }
    if id == current {
        handle.forget();
    }
    Ok(StatusCode::NO_CONTENT)
}

/// End every other session of the caller
///
/// Soon after a proof of who the caller is.
#[utoipa::path(delete, path = "/sessions", tag = "account", security(("session" = [])), responses(
    (status = 204, description = "They have ended; this one goes on"),
    NotLoggedIn,
    ReauthenticationRequired,
))]
pub(super) async fn end_other_sessions(
    State(accounts): State<Accounts>,
    session: RequestSession,
) -> Result<StatusCode, Error> {
    let RequestSession { handle, client } = session;
    let (user, current) = handle.recently_authenticated().await?;
    accounts
        .end_sessions(user.id, Some(current), Some(&client))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
