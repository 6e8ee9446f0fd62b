//! The extractor: cookie in, user out.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};

use super::RequestSession;
use crate::auth::account::user::User;
use crate::http::Error;

/// Who is logged in. As an argument it answers visitors with 401 and its reason; as
/// `Option<CurrentUser>` it is none for them. While the database does not answer, both
/// answer 503: nobody is taken for logged out because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser(pub User);

impl<S: Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = RequestSession::from_request_parts(parts, state).await?;
        session.user().await.map(|(user, _)| Self(user))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Error> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Ok(user) => Ok(Some(user)),
            Err(Error::NotLoggedIn { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
