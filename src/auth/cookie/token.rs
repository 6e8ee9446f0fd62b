//! The content of the session cookie, before it is signed.

use std::{fmt, str::FromStr};

use tower_sessions::session::Id;
use uuid::Uuid;

/// Length of an [`Id`] as text.
const ID_LENGTH: usize = 22;

/// Names a session by its public id, under which the database finds it, and by its secret one,
/// which the row found must have. Public ids are in order of time (RFC 9562, 5.7), so sessions
/// begun together lie together in their index too; to look up a secret id, which is random,
/// takes a page of the index for each session. `Debug` shows the public id alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionToken {
    /// None in cookies of older versions.
    pub public_id: Option<Uuid>,
    /// The secret: 128 random bits (ASVS 7.2.3).
    pub id: Id,
}

impl SessionToken {
    /// Of both ids.
    pub fn new(public_id: Uuid, id: Id) -> Self {
        Self {
            public_id: Some(public_id),
            id,
        }
    }
}

impl From<Id> for SessionToken {
    fn from(id: Id) -> Self {
        Self {
            public_id: None,
            id,
        }
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionToken")
            .field("public_id", &self.public_id)
            .finish_non_exhaustive()
    }
}

/// The public id, if there is one, is written like the other one.
impl fmt::Display for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(public_id) = self.public_id {
            write!(f, "{}", Id(public_id.as_u128().cast_signed()))?;
        }
        write!(f, "{}", self.id)
    }
}

impl FromStr for SessionToken {
    type Err = <Id as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_at_checked(ID_LENGTH) {
            Some((public_id, id)) if !id.is_empty() => {
                let Id(public_id) = public_id.parse()?;
                let public_id = Uuid::from_u128(public_id.cast_unsigned());
                Ok(Self::new(public_id, id.parse()?))
            }
            _ => Ok(Id::from_str(text)?.into()),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A token like no other number's.
    pub fn token(number: i128) -> SessionToken {
        SessionToken::new(Uuid::from_u128(number.cast_unsigned()), Id(!number))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn read_as_it_was_written(public_id in any::<Option<u128>>(), id in any::<i128>()) {
            let public_id = public_id.map(Uuid::from_u128);
            let token = SessionToken { public_id, id: Id(id) };
            prop_assert_eq!(token.to_string().parse::<SessionToken>().unwrap(), token);
        }

        #[test]
        fn read_from_any_text_without_panic(text in ".{0,70}") {
            let _ = text.parse::<SessionToken>();
        }

        #[test]
        fn any_other_text_is_refused(text in "([A-Za-z0-9_-]{21}[AQgw]){1,3}[A-Za-z0-9_-]?") {
            if let Ok(token) = text.parse::<SessionToken>() {
                prop_assert_eq!(token.to_string(), text);
            }
        }
    }
}
