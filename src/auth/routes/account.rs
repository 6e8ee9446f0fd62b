//! The caller's account as a whole.

use axum::{extract::State, http::StatusCode};

use crate::{
    auth::{account::Accounts, request::extract::RequestSession},
    http::{
        Error,
        problem_responses::{NotLoggedIn, ReauthenticationRequired},
    },
};

/// Delete the caller's account
///
/// Soon after a proof of who the caller is. With its sessions and credentials; its name and address are
/// free again. What its user has written stays, without their name.
#[utoipa::path(delete, path = "/account", tag = "account", security(("session" = [])), responses(
    (status = 204, description = "Deleted",
        headers(("Set-Cookie", description = "Removes the cookie"))),
    NotLoggedIn,
    ReauthenticationRequired,
))]
pub(super) async fn delete_account(
    State(accounts): State<Accounts>,
    session: RequestSession,
) -> Result<StatusCode, Error> {
    let RequestSession { handle, client } = session;
    let (user, session_id) = handle.recently_authenticated().await?;
    if !accounts.delete_own(user, session_id, &client).await? {
        return Err(handle.unknown_session());
    }
    handle.forget();
    Ok(StatusCode::NO_CONTENT)
}
