//! A query string, or the problem that says what is wrong with it.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::Error;

/// Extracts the values of a query string.
#[derive(Debug)]
pub struct QueryString<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryString<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(values)) => Ok(Self(values)),
            // "Failed to deserialize query string: field: what"
            Err(rejection) => {
                let text = rejection.body_text();
                let mut words = text.splitn(3, ": ").skip(1);
                let (first, second) = (words.next().unwrap_or_default(), words.next());
                Err(match second {
                    Some(what) => Error::invalid(first, what),
                    None => Error::invalid("query", first),
                })
            }
        }
    }
}
