//! Audit events of accounts and sessions (ASVS 16.3): rows in the database, lines in the log.

pub(super) mod store;

use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    db::Tx,
    http::{Client, without_span},
};

/// The kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    SignUp,
    LogIn,
    LogOut,
    /// Somebody who is logged in has proved again who they are.
    Reauthenticate,
    /// Sessions other than the request's were ended.
    EndSessions,
    /// Every session of every user was ended.
    EndAllSessions,
    ChangePassword,
    /// A rate limit was reached: further attempts must wait.
    LockOut,
    /// A cookie that an older key had signed was re-signed.
    ResignCookie,
    DisableAccount,
    EnableAccount,
    DeleteAccount,
    ChangeUsername,
    ChangeEmail,
    /// A link to replace a forgotten password was asked for, by a user or another person.
    RequestPasswordReset,
    /// An operator has sent such a link.
    SendPasswordReset,
    ResetPassword,
    RequestEmailChange,
    UndoEmailChange,
    VerifyEmail,
    /// An operator has added an account and sent a link to choose its password.
    Invite,
    SendMail,
    /// The password of a login was right, and a code is asked for.
    #[cfg(feature = "totp")]
    BeginLogIn,
    #[cfg(feature = "totp")]
    EnableTotp,
    #[cfg(feature = "totp")]
    DisableTotp,
    #[cfg(feature = "totp")]
    RenewRecoveryCodes,
    #[cfg(feature = "totp")]
    UseRecoveryCode,
    /// With a change of the address that was taken back.
    #[cfg(feature = "totp")]
    DeleteRecoveryCodes,
    /// An operator has taken a second factor away.
    #[cfg(feature = "totp")]
    ResetSecondFactor,
    #[cfg(feature = "passkeys")]
    AddPasskey,
    #[cfg(feature = "passkeys")]
    RenamePasskey,
    #[cfg(feature = "passkeys")]
    DeletePasskey,
    /// An authenticator that counts has counted back.
    #[cfg(feature = "passkeys")]
    PasskeySignCountBackwards,
    /// The browser of a session has registered the key of its device.
    BindDevice,
    /// The session was released from its device, as binding is turned off.
    ReleaseDevice,
    /// A request came with the cookie of a session and without the proof of its device.
    RefuseDeviceProof,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::LogIn => "log_in",
            Self::LogOut => "log_out",
            Self::Reauthenticate => "reauthenticate",
            Self::EndSessions => "end_sessions",
            Self::EndAllSessions => "end_all_sessions",
            Self::ChangePassword => "change_password",
            Self::LockOut => "lock_out",
            Self::ResignCookie => "resign_cookie",
            Self::DisableAccount => "disable_account",
            Self::EnableAccount => "enable_account",
            Self::DeleteAccount => "delete_account",
            Self::ChangeUsername => "change_username",
            Self::ChangeEmail => "change_email",
            Self::RequestPasswordReset => "request_password_reset",
            Self::SendPasswordReset => "send_password_reset",
            Self::ResetPassword => "reset_password",
            Self::RequestEmailChange => "request_email_change",
            Self::UndoEmailChange => "undo_email_change",
            Self::VerifyEmail => "verify_email",
            Self::Invite => "invite",
            Self::SendMail => "send_mail",
            #[cfg(feature = "totp")]
            Self::BeginLogIn => "begin_log_in",
            #[cfg(feature = "totp")]
            Self::EnableTotp => "enable_totp",
            #[cfg(feature = "totp")]
            Self::DisableTotp => "disable_totp",
            #[cfg(feature = "totp")]
            Self::RenewRecoveryCodes => "renew_recovery_codes",
            #[cfg(feature = "totp")]
            Self::UseRecoveryCode => "use_recovery_code",
            #[cfg(feature = "totp")]
            Self::DeleteRecoveryCodes => "delete_recovery_codes",
            #[cfg(feature = "totp")]
            Self::ResetSecondFactor => "reset_second_factor",
            #[cfg(feature = "passkeys")]
            Self::AddPasskey => "add_passkey",
            #[cfg(feature = "passkeys")]
            Self::RenamePasskey => "rename_passkey",
            #[cfg(feature = "passkeys")]
            Self::DeletePasskey => "delete_passkey",
            #[cfg(feature = "passkeys")]
            Self::PasskeySignCountBackwards => "passkey_sign_count_backwards",
            Self::BindDevice => "bind_device",
            Self::ReleaseDevice => "release_device",
            Self::RefuseDeviceProof => "device_proof_refused",
        }
    }
}

/// Why an attempt failed, for the operator alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    UnknownUser,
    WrongPassword,
    NoPassword,
    Disabled,
    /// `LOGIN_FAILURES_PER_ACCOUNT` is reached.
    AccountLimit,
    /// `LOGIN_FAILURES_PER_ADDRESS` or `SIGNUPS_PER_ADDRESS` is reached.
    AddressLimit,
    /// The password was right, but `EMAIL_VERIFICATION` is required and the address not verified.
    EmailNotVerified,
    /// The mail server has refused it, or was not available for a day.
    MailNotSent,
    /// The code of the second step of a login is wrong, or was used before.
    #[cfg(feature = "totp")]
    WrongCode,
    /// `LOGIN_FAILURES_PER_ACCOUNT` is reached by wrong codes.
    #[cfg(feature = "totp")]
    CodeLimit,
    /// A hundred consecutive codes were wrong: none is taken any more.
    #[cfg(feature = "totp")]
    CodesInARow,
    /// What an authenticator has sent is not right.
    #[cfg(feature = "passkeys")]
    BadPasskey,
    /// There may be a copy of an authenticator.
    #[cfg(feature = "passkeys")]
    PasskeySignCountBackwards,
    /// It came without a proof of the device.
    NoDeviceProof,
    /// It was signed with the key of another device.
    WrongDeviceKey,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::NoPassword => "no_password",
            Self::Disabled => "disabled",
            Self::AccountLimit => "account_limit",
            Self::AddressLimit => "address_limit",
            Self::EmailNotVerified => "email_not_verified",
            Self::MailNotSent => "mail_not_sent",
            #[cfg(feature = "totp")]
            Self::WrongCode => "wrong_code",
            #[cfg(feature = "totp")]
            Self::CodeLimit => "code_limit",
            #[cfg(feature = "totp")]
            Self::CodesInARow => "codes_in_a_row",
            #[cfg(feature = "passkeys")]
            Self::BadPasskey => "bad_passkey",
            #[cfg(feature = "passkeys")]
            Self::PasskeySignCountBackwards => "passkey_sign_count_backwards",
            Self::NoDeviceProof => "device_proof_missing",
            Self::WrongDeviceKey => "wrong_device_key",
        }
    }
}

/// An event to record.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    action: Action,
    failure: Option<Reason>,
    user_id: Option<Uuid>,
    session_id: Option<Uuid>,
    ip: Option<String>,
    request_id: Option<String>,
}

impl Event {
    /// A user's action; without a client, an operator's.
    pub fn new(action: Action, user_id: Uuid, client: Option<&Client>) -> Self {
        Self::of(action, None, Some(user_id), client)
    }

    /// What an operator did to every user.
    pub fn of_everybody(action: Action) -> Self {
        Self::of(action, None, None, None)
    }

    /// A failed attempt. An unknown name is not recorded, as it may be a password.
    pub fn failure(action: Action, reason: Reason, user_id: Option<Uuid>, client: &Client) -> Self {
        Self::of(action, Some(reason), user_id, Some(client))
    }

    /// What the server has failed to do, for a user if it is known for whom.
    pub fn of_server(action: Action, reason: Reason, user_id: Option<Uuid>) -> Self {
        Self::of(action, Some(reason), user_id, None)
    }

    /// What somebody has done who may not be a user.
    pub fn of_anybody(action: Action, client: &Client) -> Self {
        Self::of(action, None, None, Some(client))
    }

    fn of(
        action: Action,
        failure: Option<Reason>,
        user_id: Option<Uuid>,
        client: Option<&Client>,
    ) -> Self {
        Self {
            action,
            failure,
            user_id,
            session_id: None,
            ip: client.and_then(|client| Some(client.ip?.to_string())),
            request_id: client.and_then(|client| client.request_id.clone()),
        }
    }

    /// The same event, which has ended this one session of its user.
    pub fn ending(self, public_id: Uuid) -> Self {
        Self {
            session_id: Some(public_id),
            ..self
        }
    }

    /// The same event, about this session, which goes on.
    pub fn about(self, public_id: Uuid) -> Self {
        self.ending(public_id)
    }

    /// The lockout that this failure has caused.
    pub fn as_lock_out(&self, limit: Reason) -> Self {
        Self {
            action: Action::LockOut,
            failure: Some(limit),
            ..self.clone()
        }
    }

    fn outcome(&self) -> &'static str {
        match self.failure {
            None => "success",
            Some(_) => "failure",
        }
    }

    /// Logs the event once it is committed. Fields are escaped, so it is always one line.
    fn log(&self) {
        tracing::info!(
            target: "handstamp::audit",
            event = self.action.as_str(),
            outcome = self.outcome(),
            reason = self.failure.map(Reason::as_str),
            user_id = self.user_id.map(tracing::field::display),
            session_id = self.session_id.map(tracing::field::display),
            ip = self.ip,
            request_id = without_span(|| self.request_id.as_deref()),
            "audit"
        );
    }
}

/// Records events in the transaction of the change that they describe; they are logged once it is
/// committed.
pub(crate) async fn record(
    tx: &mut Tx,
    now: Timestamp,
    events: impl IntoIterator<Item = Event>,
) -> sqlx::Result<()> {
    for event in events {
        store::insert(tx, now, &event).await?;
        tx.after_commit(move || event.log());
    }
    Ok(())
}

/// A recorded event.
#[derive(Clone, Debug, Serialize, FromRow)]
#[non_exhaustive]
pub struct AuditEvent {
    /// Sorts by time.
    #[serde(skip)]
    pub id: Uuid,
    /// The time, in UTC.
    #[serde(rename = "time")]
    pub happened_at: Timestamp,
    /// `log_in`, `log_out`, …
    pub event: String,
    /// `success` or `failure`
    pub outcome: String,
    /// The reason of a failure.
    pub reason: Option<String>,
    /// The user's id.
    pub user_id: Option<Uuid>,
    /// The user's name.
    pub username: Option<String>,
    /// The session that the event has ended, or is about, where it is one and no more: its id in
    /// `GET /sessions`.
    pub session_id: Option<Uuid>,
    /// The client's address; none for an operator's action.
    pub ip: Option<String>,
    /// The request id, as in the log and the response.
    pub request_id: Option<String>,
}
