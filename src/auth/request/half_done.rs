//! The session on which the first step of a login was done.

use uuid::Uuid;

use super::{SessionHandle, unauthorized::Unauthorized};
use crate::http::Error;

impl SessionHandle {
    /// The public id of a session on which nobody is logged in, or the 401.
    pub async fn session_of_nobody(&self) -> Result<Uuid, Error> {
        match self.find().await? {
            Ok(session) if session.user.is_none() => Ok(session.public_id),
            Ok(_) => Err(self.first_step_missing()),
            Err(reason) => Err(self.not_logged_in(reason)),
        }
    }

    /// The 401 of a second step without a first one.
    pub fn first_step_missing(&self) -> Error {
        self.not_logged_in(Unauthorized::FirstStepMissing)
    }
}
