//! What a page asks first: who is logged in, on which session.

use axum::Json;

use crate::{
    auth::request::{SessionHandle, info::SessionInfo},
    http::Error,
};

/// The caller's session
///
/// Also when nobody is logged in, with the reason. It is a use of the session, as `GET /checklogin`
/// is.
#[utoipa::path(get, path = "/session", tag = "session", security((), ("session" = [])), responses(
    (status = 200, body = SessionInfo),
))]
pub(super) async fn session_info(handle: SessionHandle) -> Result<Json<SessionInfo>, Error> {
    SessionInfo::of_request(&handle).await.map(Json)
}
