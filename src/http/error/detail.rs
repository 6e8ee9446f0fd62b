//! What went wrong, as a sentence for the client.

use axum::http::StatusCode;

use super::{Error, seconds};
use crate::http::problem::title;

impl Error {
    pub(super) fn detail(&self) -> String {
        match self {
            Self::MalformedJson(what) => format!("The body is not JSON: {what}."),
            Self::BadHost => {
                "A request must have exactly one Host header, with a host and perhaps \
                              a port (RFC 9112, 3.2)."
                    .into()
            }
            Self::BadCredentials => "The username or the password is wrong.".into(),
            Self::BadToken => {
                "The link was used already, has expired, or is not complete. Ask for another."
                    .into()
            }
            Self::BadCode => "The code is wrong, or was used already.".into(),
            Self::BadPasskey => {
                "The passkey cannot be taken; ask for new options and try again.".into()
            }
            Self::BadDeviceProof => {
                "It is not signed as it has to be with the key of the session's device (Device Bound \
                 Session Credentials)."
                    .into()
            }
            Self::NotLoggedIn { detail, .. } => detail.clone(),
            Self::CrossSite => "The request comes from a page of another site. \
                                ALLOWED_ORIGINS names the origins whose pages may call."
                .into(),
            Self::OtherOrigin => {
                "The page's Origin is not that of its request. If both are yours, \
                                  the proxy in front changes Host: have it pass Host on (nginx: \
                                  proxy_set_header Host $host; Vite: no changeOrigin) and, with \
                                  https, X-Forwarded-Proto (see TRUSTED_PROXIES). Name \
                                  other origins whose pages may call in ALLOWED_ORIGINS."
                    .into()
            }
            Self::ReauthenticationRequired { .. } => {
                "Prove again who you are, then repeat the request: it needs a login, POST \
                 /reauthenticate or a password change on this session within \
                 REAUTHENTICATION_WINDOW."
                    .into()
            }
            Self::SecondFactorRequired { methods } if methods.is_empty() => {
                "Add a second factor to your account first: a passkey, or codes of an authenticator \
                 app."
                    .into()
            }
            Self::SecondFactorRequired { .. } => {
                "It needs a second factor: use your passkey, or log in again and enter a code.".into()
            }
            Self::SignUpClosed => "Nobody can sign up here; ask an operator for an account.".into(),
            Self::EmailNotVerified => {
                "Open the link that was sent to your e-mail address first; it was sent again now."
                    .into()
            }
            Self::NotFound => "There is nothing at this address.".into(),
            Self::UsernameTaken => "Somebody has this username already.".into(),
            Self::EmailTaken => "Somebody has this e-mail address already.".into(),
            Self::LastCredential => {
                "It is all that this account can be logged in to with; add another \
                 passkey first."
                    .into()
            }
            Self::TooManyPasskeys => {
                "The account has as many passkeys as one may have; delete one first.".into()
            }
            Self::UnsupportedMediaType => {
                "The body must be JSON and say so: Content-Type: application/json.".into()
            }
            Self::Invalid(_) => "Some fields cannot be taken; see `errors`.".into(),
            Self::TooManyAttempts { retry_after } => format!(
                "Too many attempts. Try again in {} s.",
                seconds(*retry_after)
            ),
            Self::CodesLockedOut => {
                "Too many codes in a row were wrong. Log in with a recovery code or a passkey, or ask \
                 who runs the site."
                    .into()
            }
            Self::TooManyStreams => {
                "This session has as many event streams open as it may; close one.".into()
            }
            Self::StreamsBusy => "As many event streams are open as the server takes.".into(),
            Self::Busy { .. } => "Too many people are logging in right now. Try again.".into(),
            Self::MailNotConfigured => "No mail can be sent here: SMTP_URL is not set.".into(),
            Self::Unavailable(_) => "The database does not answer right now. Try again.".into(),
            Self::KeyMissing => "Codes cannot be checked here right now. Try again.".into(),
            Self::SessionValues(why) => format!("The session was not saved: {why}."),
            Self::Internal(_) => "Something went wrong on our side.".into(),
            Self::Timeout => "The request took longer than the server allows.".into(),
            Self::Forbidden => "You may not do this.".into(),
            Self::Status(StatusCode::METHOD_NOT_ALLOWED) => {
                "This address does not take this method; see the Allow header.".into()
            }
            Self::Status(StatusCode::REQUEST_TIMEOUT) => "The body did not arrive in time.".into(),
            Self::Status(StatusCode::PAYLOAD_TOO_LARGE) => "The body is larger than 64 KiB.".into(),
            Self::Status(status) => format!("{}.", title(*status)),
        }
    }
}
