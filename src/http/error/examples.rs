//! An example of each error, for the description of the API.

use std::time::Duration;

use axum::http::StatusCode;

use super::Error;

impl Error {
    /// An example of each error that a client can get.
    pub(crate) fn examples() -> impl Iterator<Item = Self> {
        let not_logged_in = Self::NotLoggedIn {
            reason: "no_cookie",
            detail: "No `session` cookie came with the request.".to_owned(),
        };
        [
            Self::MalformedJson("expected value".to_owned()),
            Self::BadCredentials,
            Self::BadToken,
            Self::BadCode,
            Self::BadPasskey,
            Self::BadDeviceProof,
            not_logged_in,
            Self::CrossSite,
            Self::ReauthenticationRequired {
                methods: vec!["password"],
            },
            Self::SignUpClosed,
            Self::EmailNotVerified,
            Self::NotFound,
            Self::Status(StatusCode::REQUEST_TIMEOUT),
            Self::UsernameTaken,
            Self::EmailTaken,
            Self::LastCredential,
            Self::Status(StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType,
            Self::invalid("title", "is required"),
            Self::TooManyAttempts {
                retry_after: Duration::from_secs(900),
            },
            Self::CodesLockedOut,
            Self::TooManyStreams,
            Self::internal("a bug"),
            Self::Busy {
                retry_after: Duration::from_secs(3),
            },
            Self::MailNotConfigured,
            Self::Unavailable(None),
            Self::Timeout,
        ]
        .into_iter()
    }
}
