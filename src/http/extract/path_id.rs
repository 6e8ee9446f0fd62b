//! An id in a path.

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::http::error::Error;

/// Extracts the ids of a path; a malformed id is 404.
#[derive(Debug)]
pub struct PathIds<T>(pub T);

/// The id of a path that has one.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OneId {
    /// As the list shows it.
    #[param(value_type = String)]
    pub id: Uuid,
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathIds<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let ids = Path::from_request_parts(parts, state).await;
        ids.map(|Path(ids)| Self(ids)).map_err(|_| Error::NotFound)
    }
}
