//! What waits in the outbox: whom to tell what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::{
    tokens::{Purpose, Token},
    user::User,
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
    VerifyEmail {
        user_id: Uuid,
        email: String,
    },
    /// The same, for an address that the user wants to change to.
    ChangeEmail {
        user_id: Uuid,
        email: String,
    },
    /// To the old address: that a change to `new` was requested, with a link that takes it back.
    EmailChangeRequested {
        user_id: Uuid,
        to: Recipient,
        new: String,
    },
    /// To the old address: that it was changed to `new`, or taken away, and perhaps a link that takes
    /// the change back.
    EmailChanged {
        user_id: Uuid,
        to: Recipient,
        new: Option<String>,
        can_be_undone: bool,
    },
    /// A link to choose a new password, for the owner of this address.
    ForgottenPassword {
        email: String,
    },
    /// The same, from an operator, or after a change of the address was taken back.
    ResetPassword {
        user_id: Uuid,
        to: Recipient,
    },
    /// A link with which a user whom an operator has added chooses a password.
    Invitation {
        user_id: Uuid,
        to: Recipient,
    },
    NewDevice {
        user_id: Uuid,
        to: Recipient,
        ip: Option<String>,
        device: String,
    },
    PasswordChanged {
        user_id: Uuid,
        to: Recipient,
    },
    /// What an account is logged in to with was changed.
    SecurityChanged {
        user_id: Uuid,
        to: Recipient,
        change: SecurityChange,
    },
    /// That somebody uses the cookie of a session elsewhere than on its device.
    DeviceProofRefused {
        user_id: Uuid,
        to: Recipient,
        ip: Option<String>,
    },
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
        }
    }
}

impl Letter {
    /// Word of a change; none for an account without an address.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub fn of_change(user: &User, change: SecurityChange) -> Option<Self> {
        Some(Self::SecurityChanged {
            user_id: user.id,
            to: Recipient::of(user)?,
            change,
        })
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
            Self::ChangeEmail { user_id, email } => (Purpose::ChangeEmail, user_id, email),
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
            | Self::PasswordChanged { .. }
            | Self::SecurityChanged { .. }
            | Self::DeviceProofRefused { .. } => return None,
        };
        Some((purpose, *user_id, email))
    }

    /// The address that a notice goes to, which nobody has requested.
    pub fn notice_to(&self) -> Option<&str> {
        match self {
            Self::NewDevice { to, .. }
            | Self::PasswordChanged { to, .. }
            | Self::SecurityChanged { to, .. }
            | Self::DeviceProofRefused { to, .. } => Some(&to.email),
            _ => None,
        }
    }

    /// Whether anybody at all can have it written: when it is sent, and so when others are, is to tell
    /// nothing of whether there is an account.
    pub fn is_for_anybody(&self) -> bool {
        matches!(self, Self::ForgottenPassword { .. })
    }
}

/// A browser by its `User-Agent`, in fixed words: the header's text is the client's to choose.
pub(crate) fn device_name(user_agent: Option<&str>) -> String {
    // Those that call themselves by the names of others come first.
    const BROWSERS: [(&str, &str); 6] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("Macintosh", "a Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let agent = user_agent.unwrap_or_default();
    let named = |names: &[(&str, &'static str)]| {
        let found = names.iter().find(|(sign, _)| agent.contains(sign));
        found.map(|(_, name)| *name)
    };
    let browser = named(&BROWSERS).unwrap_or("an unknown browser");
    match named(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_in_our_words_alone() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0";
        let android = "Mozilla/5.0 (Android 16; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0";
        for (agent, name) in [
            (Some(edge), "Edge on Windows"),
            (Some(android), "Firefox on Android"),
            (Some("visit evil.example"), "an unknown browser"),
            (None, "an unknown browser"),
        ] {
            assert_eq!(device_name(agent), name);
        }
    }
}
