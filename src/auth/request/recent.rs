//! Who has proved lately who they are: the check of everything that asks for it.

use std::time::Duration;

use axum::{extract::FromRequestParts, http::request::Parts};
use uuid::Uuid;

use super::SessionHandle;
use crate::{
    auth::{session::live::LiveSession, user::User},
    http::Error,
};

/// Who is logged in and has proved lately who they are: by a login, a sign-up, `POST
/// /reauthenticate` or a password change on this very session, at most `SECONDS` ago. Zero, which
/// stands there by default, is the window of
/// [`AuthBuilder::reauthentication_window`](super::super::AuthBuilder::reauthentication_window).
///
/// Others get 403 `reauthentication_required` with the `methods` that they can use, visitors 401. An
/// account without a credential has nothing to prove and is never asked. While the database does not
/// respond, it is 503.
///
/// ```
/// use axum::{Router, http::StatusCode, routing::{delete, post}};
/// use handstamp::auth::RecentlyAuthenticated;
///
/// async fn pay(RecentlyAuthenticated(user): RecentlyAuthenticated) -> String {
///     format!("{} has paid", user.username)
/// }
///
/// // Within the last minute.
/// async fn close(_: RecentlyAuthenticated<60>) -> StatusCode {
///     StatusCode::NO_CONTENT
/// }
///
/// let app: Router = Router::new()
///     .route("/payments", post(pay))
///     .route("/shop", delete(close)); // .layer(auth.layer())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentlyAuthenticated<const SECONDS: u64 = 0>(pub User);

impl<S: Sync, const SECONDS: u64> FromRequestParts<S> for RecentlyAuthenticated<SECONDS> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = SessionHandle::from_request_parts(parts, state).await?;
        let window = match SECONDS {
            0 => session.sessions().reauthentication_window(),
            seconds => Duration::from_secs(seconds),
        };
        let (user, _) = session.authenticated_within(window).await?;
        Ok(Self(user))
    }
}

impl SessionHandle {
    /// Who is logged in and on which session, or the 401; or the 403 when they have to prove again
    /// who they are.
    pub async fn recently_authenticated(&self) -> Result<(User, Uuid), Error> {
        let window = self.sessions().reauthentication_window();
        self.authenticated_within(window).await
    }

    /// The same, also of who has yet to add the second factor that the app asks of them. Who has one
    /// already gives that one first.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub async fn recently_authenticated_to_enrol(&self) -> Result<(User, Uuid), Error> {
        let window = self.sessions().reauthentication_window();
        let (session, user) = self.enrolling().await?;
        self.check_has_none_to_give(&session, &user)?;
        self.check_proof(&session, window)?;
        Ok((user, session.public_id))
    }

    async fn authenticated_within(&self, window: Duration) -> Result<(User, Uuid), Error> {
        let (session, user) = self.session_and_user().await?;
        self.check_proof(&session, window)?;
        Ok((user, session.public_id))
    }

    fn check_proof(&self, session: &LiveSession, window: Duration) -> Result<(), Error> {
        if !session.proof.is_enough(window, self.sessions().now()) {
            let methods = session.proof.methods();
            return Err(Error::ReauthenticationRequired { methods });
        }
        Ok(())
    }
}
