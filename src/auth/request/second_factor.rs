//! Second factors: who has given one, who has yet to add one, and whose login waits for one.

use std::{sync::Arc, time::Duration};

use axum::{extract::FromRequestParts, http::request::Parts};
#[cfg(feature = "totp")]
use uuid::Uuid;

#[cfg(feature = "totp")]
use super::unauthorized::Unauthorized;
use super::{SessionHandle, lookup::Found, who};
use crate::{
    auth::{session::live::LiveSession, user::User},
    http::Error,
};

/// Who is logged in and has given a second factor on this very session: by a passkey, by a code after
/// the password, or by adding one of them; at most `SECONDS` ago, or at any time with zero, which stands
/// there by default.
///
/// Others get 403 `second_factor_required`, whose `methods` are those that they have; visitors get 401.
/// A passkey can be given at any time (`POST /reauthenticate/passkey`); for a code one logs in again,
/// and who has neither adds one. While the database does not respond, it is 503.
///
/// ```
/// use axum::{Router, routing::post};
/// use handstamp::auth::SecondFactor;
///
/// async fn deploy(SecondFactor(user): SecondFactor) -> String {
///     format!("{} deploys", user.username)
/// }
///
/// // Within the last five minutes.
/// async fn pay(SecondFactor(user): SecondFactor<300>) -> String {
///     format!("{} pays", user.username)
/// }
///
/// let app: Router = Router::new()
///     .route("/deployments", post(deploy))
///     .route("/payments", post(pay)); // .layer(auth.layer())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor<const SECONDS: u64 = 0>(pub User);

impl<S: Sync, const SECONDS: u64> FromRequestParts<S> for SecondFactor<SECONDS> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let handle = SessionHandle::from_request_parts(parts, state).await?;
        let (session, user) = handle.session_and_user().await?;
        let window = (SECONDS > 0).then(|| Duration::from_secs(SECONDS));
        let now = handle.sessions().now();
        match session.proof.has_second_factor_within(window, now) {
            true => Ok(Self(user)),
            false => Err(handle.second_factor_required(&session)),
        }
    }
}

impl SessionHandle {
    /// The 403 that names the second factors of the user.
    fn second_factor_required(&self, session: &LiveSession) -> Error {
        let methods = session.proof.second_factors();
        Error::SecondFactorRequired { methods }
    }

    /// Refuses who is logged in without the second factor that the app asks of them.
    pub(super) fn check_second_factor(&self, found: &Found) -> Result<(), Error> {
        let Ok(session) = found else { return Ok(()) };
        let Some(user) = &session.user else {
            return Ok(());
        };
        match self.lacks_second_factor(session, user) {
            true => Err(self.second_factor_required(session)),
            false => Ok(()),
        }
    }

    /// Refuses who is to give the second factor that they have before they add another.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub(super) fn check_has_none_to_give(
        &self,
        session: &LiveSession,
        user: &User,
    ) -> Result<(), Error> {
        match session.proof.has_second_factor() && self.lacks_second_factor(session, user) {
            true => Err(self.second_factor_required(session)),
            false => Ok(()),
        }
    }

    /// Whether the app asks for a second factor that was not given on this session.
    fn lacks_second_factor(&self, session: &LiveSession, user: &User) -> bool {
        let is_given = session.proof.second_factor_at.is_some();
        !is_given && self.0.options.hooks.needs_second_factor(user)
    }

    /// Who is logged in and on which session, or the 401; also who has yet to add the second factor
    /// that the app asks of them.
    pub async fn enrolling(&self) -> Result<(Arc<LiveSession>, User), Error> {
        let found = self.find().await?;
        who(found, |session, user| (session.clone(), user.clone()))
            .map_err(|reason| self.not_logged_in(reason))
    }

    /// The public id of a session on which nobody is logged in, or the 401.
    #[cfg(feature = "totp")]
    pub async fn session_of_nobody(&self) -> Result<Uuid, Error> {
        match self.find().await? {
            Ok(session) if session.user.is_none() => Ok(session.public_id),
            Ok(_) => Err(self.first_step_missing()),
            Err(reason) => Err(self.not_logged_in(reason)),
        }
    }

    /// The 401 of a second step without a first one.
    #[cfg(feature = "totp")]
    pub fn first_step_missing(&self) -> Error {
        self.not_logged_in(Unauthorized::FirstStepMissing)
    }
}
