//! The tokens in the links of mails: 256 random bits, of which the database has the hash alone.

pub(crate) mod store;

use std::{fmt, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const BYTES: usize = 32;

/// What a link is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Verifies the address of an account.
    VerifyEmail,
    /// Gives the account the address that the link was sent to.
    ChangeEmail,
    /// Gives the account back the address that it had before. It outlives changes of the address and
    /// the password, as it is for an owner whose account somebody else has used.
    UndoEmailChange,
    /// Sets a password, after it was forgotten.
    ResetPassword,
    /// Sets the first password of an account that an operator has made.
    Invitation,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::UndoEmailChange => "undo_email_change",
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        const ALL: [Purpose; 5] = [
            Purpose::VerifyEmail,
            Purpose::ChangeEmail,
            Purpose::UndoEmailChange,
            Purpose::ResetPassword,
            Purpose::Invitation,
        ];
        ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// How long a token lives.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::ResetPassword => HOUR,
            Self::VerifyEmail | Self::ChangeEmail | Self::Invitation => DAY,
            // A day longer than the link that it undoes.
            Self::UndoEmailChange => 2 * DAY,
        }
    }

    /// Whether the link sets a password.
    pub fn sets_password(self) -> bool {
        matches!(self, Self::ResetPassword | Self::Invitation)
    }
}

/// A token as it is in a link. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// A fresh one.
    pub fn random() -> Self {
        let bytes: [u8; BYTES] = rand::random();
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }
}

/// What the database knows a token by. It needs no salt and no slow hash: nobody can try all
/// numbers of 256 bits.
pub(crate) fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// A token that was found, and what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub purpose: Purpose,
    pub user_id: Uuid,
    /// The address that the link was sent to.
    pub email: String,
    /// The mail, whose id says when it was written.
    pub mail_id: Uuid,
    /// When what the link is for was requested. Of one that changes an address or takes that back, from
    /// when on what was added to log in with goes, if it is taken back.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_new_each_time_and_hidden() {
        let token = Token::random();
        assert_eq!(token.as_str().len(), 43);
        assert_ne!(token, Token::random());
        assert_eq!(hash(token.as_str()), token.hash());
        assert!(!format!("{token:?}").contains(token.as_str()));
    }
}
