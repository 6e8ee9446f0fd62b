//! The error type, whose response is a problem (RFC 9457).

mod conversions;
mod detail;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    problem::{FieldErrors, Problem, title},
    request_id::{current_request_id, without_span},
};

/// Why a request failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// 400: the body is not JSON.
    MalformedJson(String),
    /// 400: no `Host`, more than one, or none that can be a host.
    BadHost,
    /// 400: unknown user or wrong password; never says which.
    BadCredentials,
    /// 400: the token of a link was used, has expired, or never was one.
    BadToken,
    /// 400: the code of a second factor is wrong, or was used before.
    BadCode,
    /// 400: a new passkey is not one, or not for the challenge.
    BadPasskey,
    /// 400: what should prove the device of a session does not.
    BadDeviceProof,
    /// 401: nobody is logged in.
    NotLoggedIn {
        /// A word that stays the same between versions.
        reason: &'static str,
        /// What a developer should look at.
        detail: String,
    },
    /// 403: the request comes from a page of another site.
    CrossSite,
    /// 403: the page's `Origin` is not that of its request; compared where the browser sends no
    /// Fetch Metadata.
    OtherOrigin,
    /// 403: the user has not proved lately who they are.
    ReauthenticationRequired {
        /// What they can prove it with: `password`, `passkey`.
        methods: Vec<&'static str>,
    },
    /// 403: the user has not given a second factor on this session, or not lately.
    SecondFactorRequired {
        /// Those that they have: `passkey`, `totp`; without one they have to add it.
        methods: Vec<&'static str>,
    },
    /// 403: sign-up is closed; an operator makes accounts.
    SignUpClosed,
    /// 403: the password is right, but the address of the account has to be verified first.
    EmailNotVerified,
    /// 403: the user may not do this.
    Forbidden,
    /// 404: there is nothing at this address.
    NotFound,
    /// 409: the username is taken.
    UsernameTaken,
    /// 409: the e-mail address is taken.
    EmailTaken,
    /// 409: the account would have nothing to log in with.
    LastCredential,
    /// 409: the account has as many passkeys as one may have.
    TooManyPasskeys,
    /// 415: the `Content-Type` is not JSON.
    UnsupportedMediaType,
    /// 422: some fields are invalid.
    Invalid(FieldErrors),
    /// 429: a rate limit is reached.
    TooManyAttempts {
        /// How long to wait for the next attempt.
        retry_after: Duration,
    },
    /// 429: so many codes in a row were wrong that none is taken, however long one waits.
    CodesLockedOut,
    /// 429: the session has as many event streams open as it may.
    TooManyStreams,
    /// 503: the process has as many event streams open as it may.
    StreamsBusy,
    /// 503: too many passwords wait to be hashed, or codes of one user to be checked.
    Busy {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// 503: no mail can be sent here.
    MailNotConfigured,
    /// 503: the database is not available. The source, if any, is logged and not shown to the
    /// client.
    Unavailable(Option<Arc<sqlx::Error>>),
    /// 503: a secret was encrypted with a key that this process does not have. Who finds it logs which.
    KeyMissing,
    /// 504: the handler took longer than the time limit.
    Timeout,
    /// 500: the session's values cannot be saved; the text says why.
    SessionValues(String),
    /// 500: a fault of the server. The source is logged, and not shown to the client.
    Internal(Arc<dyn std::error::Error + Send + Sync>),
    /// Any other status, chosen by a library below us.
    Status(StatusCode),
}

impl Error {
    /// 422 for one field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(BTreeMap::from([(field.to_owned(), vec![message.into()])]))
    }

    /// An example of each error that routes describe.
    #[cfg(feature = "server")]
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
            Self::TooManyPasskeys,
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

    /// A fault of the server, with its source or a text that says what it is.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into().into())
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedJson(_)
            | Self::BadHost
            | Self::BadCredentials
            | Self::BadToken
            | Self::BadCode
            | Self::BadPasskey
            | Self::BadDeviceProof => StatusCode::BAD_REQUEST,
            Self::NotLoggedIn { .. } => StatusCode::UNAUTHORIZED,
            Self::CrossSite
            | Self::OtherOrigin
            | Self::ReauthenticationRequired { .. }
            | Self::SecondFactorRequired { .. }
            | Self::SignUpClosed
            | Self::EmailNotVerified
            | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::UsernameTaken
            | Self::EmailTaken
            | Self::LastCredential
            | Self::TooManyPasskeys => StatusCode::CONFLICT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts { .. } | Self::CodesLockedOut | Self::TooManyStreams => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Busy { .. }
            | Self::StreamsBusy
            | Self::MailNotConfigured
            | Self::KeyMissing
            | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::SessionValues(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Status(status) => *status,
        }
    }

    fn code(&self) -> String {
        let code = match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::BadHost => "bad_host",
            Self::BadCredentials => "bad_credentials",
            Self::BadToken => "bad_token",
            Self::BadCode => "bad_code",
            Self::BadPasskey => "bad_passkey",
            Self::BadDeviceProof => "bad_device_proof",
            Self::NotLoggedIn { .. } => "not_logged_in",
            Self::CrossSite | Self::OtherOrigin => "cross_site",
            Self::ReauthenticationRequired { .. } => "reauthentication_required",
            Self::SecondFactorRequired { .. } => "second_factor_required",
            Self::SignUpClosed => "signup_closed",
            Self::EmailNotVerified => "email_not_verified",
            Self::UsernameTaken => "username_taken",
            Self::EmailTaken => "email_taken",
            Self::LastCredential => "last_credential",
            Self::TooManyPasskeys => "too_many_passkeys",
            Self::Invalid(_) => "invalid",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::CodesLockedOut => "codes_locked_out",
            Self::SessionValues(_) => "session_values",
            Self::TooManyStreams => "too_many_streams",
            Self::Busy { .. } | Self::StreamsBusy => "busy",
            Self::MailNotConfigured => "mail_not_configured",
            Self::Unavailable(_) | Self::KeyMissing => "unavailable",
            Self::Timeout => "timeout",
            Self::Forbidden => "forbidden",
            Self::NotFound | Self::UnsupportedMediaType | Self::Internal(_) | Self::Status(_) => {
                return title(self.status()).to_lowercase().replace([' ', '-'], "_");
            }
        };
        code.to_owned()
    }

    /// The body of the response.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.status(), self.code(), self.detail());
        match self {
            Self::NotLoggedIn { reason, .. } => problem.reason = Some(reason),
            Self::ReauthenticationRequired { methods } | Self::SecondFactorRequired { methods } => {
                problem.methods = Some(methods.clone());
            }
            Self::Invalid(errors) => problem.errors = Some(errors.clone()),
            _ => {}
        }
        problem
    }
}

/// Whole seconds, rounded up, so that a client that waits this long need not wait again.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Internal(source) => Some(&**source),
            Self::Unavailable(Some(source)) => Some(&**source),
            _ => None,
        }
    }
}

/// Logs the source, which the client does not see.
fn log(error: &Error) {
    let request_id = without_span(current_request_id);
    match error {
        Error::Internal(source) => tracing::error!(error = %source, request_id, "internal error"),
        Error::Unavailable(Some(source)) => {
            tracing::error!(error = %source, request_id, "the database is not available");
        }
        Error::SessionValues(why) => tracing::error!(%why, request_id, "a session was not saved"),
        _ => {}
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        log(&self);
        let mut response = self.problem().into_response();
        let headers = response.headers_mut();
        let retry_after = match self {
            Self::Busy { retry_after } | Self::TooManyAttempts { retry_after } => Some(retry_after),
            Self::Unavailable(_) => Some(Duration::from_secs(1)),
            // Until its operator has given it the key, or another node responds.
            Self::KeyMissing => Some(Duration::from_secs(30)),
            // One whose client is gone is closed by then.
            Self::TooManyStreams | Self::StreamsBusy => Some(Duration::from_secs(25)),
            _ => None,
        };
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_plain_statuses_are_words() {
        assert_eq!(Error::NotFound.code(), "not_found");
        assert_eq!(
            Error::Status(StatusCode::METHOD_NOT_ALLOWED).code(),
            "method_not_allowed"
        );
        assert_eq!(Error::internal("a bug").code(), "internal_server_error");
    }
}
