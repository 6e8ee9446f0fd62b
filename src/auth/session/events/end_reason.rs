//! Why a session has ended.

use serde::Serialize;

use crate::auth::audit::Action;

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Its user has logged out, or logged in anew in the same browser.
    LoggedOut,
    /// Its user has ended it from another one, or an operator has; or it was the oldest of too
    /// many.
    Revoked,
    /// The password was changed on another session or by an operator, or was reset.
    PasswordChanged,
    /// The account was disabled.
    Disabled,
    /// The account was deleted.
    Deleted,
    /// It was unused for too long, or too old.
    Expired,
    /// The session is live, but the proof of its device that the stream was opened with has expired.
    DeviceProofMissing,
}

impl EndReason {
    /// The reason as a word that stays the same between versions: `logged_out`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::DeviceProofMissing => "device_proof_missing",
        }
    }

    /// Events that end all of a user's sessions, or all but one.
    pub(super) const ENDING_ALL: [Action; 5] = [
        Action::EndSessions,
        Action::ChangePassword,
        Action::ResetPassword,
        Action::UndoEmailChange,
        Action::EnableAccount,
    ];

    /// What an audit event says of the end. Sessions of a disabled account are removed once it is
    /// enabled.
    pub(super) fn of(event: &str) -> Self {
        let is_any = |actions: &[Action]| actions.iter().any(|action| action.as_str() == event);
        if is_any(&[Action::LogOut, Action::LogIn, Action::SignUp]) {
            Self::LoggedOut
        } else if is_any(&[Action::ChangePassword, Action::ResetPassword]) {
            Self::PasswordChanged
        } else if is_any(&[Action::EnableAccount]) {
            Self::Disabled
        } else {
            Self::Revoked
        }
    }
}
