//! What waits in the outbox: whom to tell what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::words::{device_name, passkey_in_words};
use crate::{
    auth::{
        tokens::{Purpose, Token},
        user::User,
    },
    clock::Timestamp,
    http::Client,
};

/// What a row of the outbox holds, encrypted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    #[serde(flatten)]
    pub letter: Letter,
    /// The token of the link, of which the database has the hash. It was made when the letter was
    /// written, so that whatever makes links useless meanwhile does so to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// Who gets a letter, as things stood when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recipient {
    pub email: String,
    /// None while nobody has verified the address: the user who signed up with it may be a stranger to
    /// it, and chose the name.
    pub username: Option<String>,
}

impl Recipient {
    /// The owner of an account; none when it has no address.
    pub fn of(user: &User) -> Option<Self> {
        Some(Self {
            email: user.email.clone()?,
            username: user.email_verified.then(|| user.username.clone()),
        })
    }
}

/// A letter says whom it concerns, but for one: who has forgotten a password is looked up when it is
/// sent, so that the request takes the same time whether there is an account or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Letter {
    /// A link that verifies the address of a user; to somebody else who has it, word that they have
    /// an account.
    VerifyEmail { user_id: Uuid, email: String },
    /// The same, for an address that the user wants to change to.
    ChangeEmail {
        user_id: Uuid,
        email: String,
        /// For the row of the link: from when on what was added to log in with goes, if the change is
        /// taken back.
        #[serde(skip)]
        since: Option<Timestamp>,
    },
    /// To the old address: that a change to `new` was requested, with a link that takes it back.
    EmailChangeRequested {
        user_id: Uuid,
        to: Recipient,
        new: String,
        /// As that of [`Letter::ChangeEmail`].
        #[serde(skip)]
        since: Option<Timestamp>,
    },
    /// To the old address: that it was changed to `new`, or taken away, and perhaps a link that takes
    /// the change back.
    EmailChanged {
        user_id: Uuid,
        to: Recipient,
        new: Option<String>,
        can_be_undone: bool,
        /// As that of [`Letter::ChangeEmail`].
        #[serde(skip)]
        since: Option<Timestamp>,
    },
    /// A link to choose a new password, for the owner of this address.
    ForgottenPassword { email: String },
    /// The same, from an operator, or after a change of the address was taken back.
    ResetPassword { user_id: Uuid, to: Recipient },
    /// A link with which a user whom an operator has added chooses a password.
    Invitation { user_id: Uuid, to: Recipient },
    NewDevice {
        user_id: Uuid,
        to: Recipient,
        ip: Option<String>,
        device: String,
    },
    /// Somebody who knows the password has given too many wrong codes.
    WrongCodes {
        user_id: Uuid,
        to: Recipient,
        ip: Option<String>,
        device: String,
    },
    PasswordChanged {
        user_id: Uuid,
        to: Recipient,
        /// Those that log in as before, in the words of a mail.
        #[serde(default)]
        passkeys: Vec<String>,
    },
    /// What an account is logged in to with was changed.
    SecurityChanged {
        user_id: Uuid,
        to: Recipient,
        change: SecurityChange,
        /// The passkeys, and perhaps codes, that were changed, in the words of a mail.
        #[serde(default)]
        passkeys: Vec<String>,
        /// Those that are as they were, where others were removed.
        #[serde(default)]
        stays: Vec<String>,
        /// None for an operator, and for what the server does by itself.
        #[serde(default)]
        by: Option<Place>,
    },
    /// That somebody uses the cookie of a session elsewhere than on its device.
    DeviceProofRefused {
        user_id: Uuid,
        to: Recipient,
        ip: Option<String>,
    },
}

/// Where a change was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The browser and the system, in our words.
    pub device: String,
    pub ip: Option<String>,
}

impl Place {
    pub fn of(client: &Client) -> Self {
        Self {
            device: device_name(client.user_agent.as_deref()),
            ip: client.ip.map(|ip| ip.to_string()),
        }
    }
}

/// A change of what an account is logged in to with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecurityChange {
    TotpOn,
    TotpOff,
    RecoveryCodesRenewed,
    RecoveryCodeUsed,
    SecondFactorReset,
    PasskeyAdded,
    PasskeyRenamed,
    PasskeyDeleted,
    PasskeyDeletedByOperator,
    /// With a change of the address.
    TakenBack,
    /// By a reset that was the first proof of the address.
    RemovedAtFirstProof,
}

impl SecurityChange {
    /// A sentence without its full stop.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::TotpOn => "Two-step login was turned on",
            Self::TotpOff => "Two-step login was turned off",
            Self::RecoveryCodesRenewed => "Your recovery codes were replaced",
            Self::RecoveryCodeUsed => "A recovery code was used to log in",
            Self::PasskeyAdded => "A passkey was added",
            Self::PasskeyRenamed => "A passkey was renamed",
            Self::PasskeyDeleted => "A passkey was deleted",
            Self::SecondFactorReset => "An operator has turned two-step login off",
            Self::PasskeyDeletedByOperator => "An operator has deleted a passkey",
            Self::TakenBack => "What was added to log in with was taken away again",
            Self::RemovedAtFirstProof => {
                "What was added to log in with before you proved your address was removed"
            }
        }
    }

    /// What templates know it by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TotpOn => "totp_on",
            Self::TotpOff => "totp_off",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::SecondFactorReset => "second_factor_reset",
            Self::PasskeyAdded => "passkey_added",
            Self::PasskeyRenamed => "passkey_renamed",
            Self::PasskeyDeleted => "passkey_deleted",
            Self::PasskeyDeletedByOperator => "passkey_deleted_by_operator",
            Self::TakenBack => "taken_back",
            Self::RemovedAtFirstProof => "removed_at_first_proof",
        }
    }
}

/// What an account is logged in to with beside its password.
#[derive(Clone, Debug, Default)]
pub(crate) struct Factors {
    /// Their names, and when they were added.
    pub passkeys: Vec<(String, Timestamp)>,
    pub codes: Option<&'static str>,
}

impl Factors {
    fn in_words(&self, is_verified: bool) -> Vec<String> {
        let passkeys = self.passkeys.iter();
        let passkeys = passkeys.map(|(name, at)| passkey_in_words(name, *at, is_verified));
        passkeys.chain(self.codes.map(str::to_owned)).collect()
    }
}

/// What a user is told of a change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    what: SecurityChange,
    by: Option<Place>,
    changed: Factors,
    stays: Factors,
}

impl Change {
    /// One by a client; without one, by an operator or the server.
    pub fn new(what: SecurityChange, client: Option<&Client>) -> Self {
        Self {
            what,
            by: client.map(Place::of),
            changed: Factors::default(),
            stays: Factors::default(),
        }
    }

    /// The same, of these.
    pub fn of(self, changed: Factors) -> Self {
        Self { changed, ..self }
    }

    /// The same, of these passkeys: their names, and when they were added.
    #[cfg(feature = "passkeys")]
    pub fn of_passkeys(self, passkeys: impl IntoIterator<Item = (String, Timestamp)>) -> Self {
        let passkeys = passkeys.into_iter().collect();
        let codes = None;
        self.of(Factors { passkeys, codes })
    }

    /// The same, where these are as they were.
    pub fn with_kept(self, stays: Factors) -> Self {
        Self { stays, ..self }
    }
}

impl Letter {
    /// The notice of a change; none for an account without an address.
    pub fn of_change(user: &User, change: &Change) -> Option<Self> {
        let to = Recipient::of(user)?;
        let is_verified = to.username.is_some();
        Some(Self::SecurityChanged {
            user_id: user.id,
            change: change.what,
            passkeys: change.changed.in_words(is_verified),
            stays: change.stays.in_words(is_verified),
            by: change.by.clone(),
            to,
        })
    }

    /// The notice of a new password, with which these passkeys stay; none for an account without an
    /// address.
    pub fn of_new_password(
        user: &User,
        passkeys: impl IntoIterator<Item = (String, Timestamp)>,
    ) -> Option<Self> {
        let to = Recipient::of(user)?;
        let passkeys = passkeys.into_iter().collect();
        let codes = None;
        let stays = Factors { passkeys, codes };
        Some(Self::PasswordChanged {
            user_id: user.id,
            passkeys: stays.in_words(to.username.is_some()),
            to,
        })
    }

    /// From when on what was added to log in with goes, if the change of an address is taken back.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::ChangeEmail { since, .. }
            | Self::EmailChangeRequested { since, .. }
            | Self::EmailChanged { since, .. } => *since,
            _ => None,
        }
    }

    /// The user that it is about, as far as it says.
    pub fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::ForgottenPassword { .. } => None,
            Self::VerifyEmail { user_id, .. }
            | Self::ChangeEmail { user_id, .. }
            | Self::EmailChangeRequested { user_id, .. }
            | Self::EmailChanged { user_id, .. }
            | Self::ResetPassword { user_id, .. }
            | Self::Invitation { user_id, .. }
            | Self::NewDevice { user_id, .. }
            | Self::WrongCodes { user_id, .. }
            | Self::PasswordChanged { user_id, .. }
            | Self::DeviceProofRefused { user_id, .. }
            | Self::SecurityChanged { user_id, .. } => Some(*user_id),
        }
    }

    /// What its link is good for, whose account and which address it is bound to; none for a letter
    /// without one, or whose user is not known yet.
    pub fn link(&self) -> Option<(Purpose, Uuid, &str)> {
        let (purpose, user_id, email) = match self {
            Self::VerifyEmail { user_id, email } => (Purpose::VerifyEmail, user_id, email),
            Self::ChangeEmail { user_id, email, .. } => (Purpose::ChangeEmail, user_id, email),
            Self::EmailChangeRequested { user_id, to, .. }
            | Self::EmailChanged {
                user_id,
                to,
                can_be_undone: true,
                ..
            } => (Purpose::UndoEmailChange, user_id, &to.email),
            Self::ResetPassword { user_id, to } => (Purpose::ResetPassword, user_id, &to.email),
            Self::Invitation { user_id, to } => (Purpose::Invitation, user_id, &to.email),
            Self::EmailChanged { .. }
            | Self::ForgottenPassword { .. }
            | Self::NewDevice { .. }
            | Self::WrongCodes { .. }
            | Self::PasswordChanged { .. }
            | Self::SecurityChanged { .. }
            | Self::DeviceProofRefused { .. } => return None,
        };
        Some((purpose, *user_id, email))
    }

    /// The kind of a notice, which nobody has requested, and the address that it goes to. Each kind has a
    /// limit of its own, so that many of one hide none of another.
    pub fn notice(&self) -> Option<(&'static str, &str)> {
        let (kind, to) = match self {
            Self::NewDevice { to, .. } => ("new_device", to),
            Self::WrongCodes { to, .. } => ("wrong_codes", to),
            Self::PasswordChanged { to, .. } => ("password_changed", to),
            Self::DeviceProofRefused { to, .. } => ("device_proof_refused", to),
            Self::SecurityChanged { to, change, .. } => (change.as_str(), to),
            _ => return None,
        };
        Some((kind, &to.email))
    }

    /// Whether anybody at all can have it written: when it is sent, and so when others are, is to tell
    /// nothing of whether there is an account.
    pub fn is_for_anybody(&self) -> bool {
        matches!(self, Self::ForgottenPassword { .. })
    }
}
