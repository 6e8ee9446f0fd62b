//! What waits in the outbox: whom to tell what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A letter holds what its request said and who asked; accounts are looked up when it is sent, so
/// that a request takes the same time whether there is one or not.
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
    /// To the address `old`: that a change to `new` was asked for.
    EmailChangeAsked {
        user_id: Uuid,
        old: String,
        new: String,
    },
    /// To the address `old`: that it was changed to `new`.
    EmailChanged {
        user_id: Uuid,
        old: String,
        new: String,
    },
    /// A link to choose a new password, for the owner of this address.
    ForgottenPassword {
        email: String,
    },
    /// The same, from an operator.
    ResetPassword {
        user_id: Uuid,
    },
    /// A link with which a user whom an operator has added chooses a password.
    Invitation {
        user_id: Uuid,
    },
    NewDevice {
        user_id: Uuid,
        ip: Option<String>,
        device: String,
    },
    PasswordChanged {
        user_id: Uuid,
    },
    /// What an account is logged in to with was changed.
    SecurityChanged {
        user_id: Uuid,
        change: SecurityChange,
    },
    /// That somebody uses the cookie of a session elsewhere than on its device.
    DeviceProofRefused {
        user_id: Uuid,
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
    /// The user that it is about, as far as it says.
    pub fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::ForgottenPassword { .. } => None,
            Self::VerifyEmail { user_id, .. }
            | Self::ChangeEmail { user_id, .. }
            | Self::EmailChangeAsked { user_id, .. }
            | Self::EmailChanged { user_id, .. }
            | Self::ResetPassword { user_id }
            | Self::Invitation { user_id }
            | Self::NewDevice { user_id, .. }
            | Self::DeviceProofRefused { user_id, .. }
            | Self::PasswordChanged { user_id }
            | Self::SecurityChanged { user_id, .. } => Some(*user_id),
        }
    }

    /// Word of a change.
    #[cfg(any(feature = "passkeys", feature = "totp"))]
    pub fn of_change(user_id: Uuid, change: SecurityChange) -> Self {
        Self::SecurityChanged { user_id, change }
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
