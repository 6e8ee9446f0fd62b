//! The errors below ours, made ours.

use std::sync::Arc;

use super::Error;
use crate::db::is_unavailable;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<sqlx::Error>> for Error {
    fn from(error: Arc<sqlx::Error>) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(Some(error))
        } else {
            Self::Internal(error)
        }
    }
}

impl From<tower_sessions::session::Error> for Error {
    fn from(error: tower_sessions::session::Error) -> Self {
        use tower_sessions::{session::Error as E, session_store::Error as Store};
        match error {
            E::Store(Store::Backend(error)) => {
                Self::Unavailable(Some(Arc::new(sqlx::Error::Protocol(error))))
            }
            E::Store(Store::Encode(why)) => Self::SessionValues(why),
            other => Self::internal(other),
        }
    }
}
