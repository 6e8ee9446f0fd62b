//! The one error type, answered as a problem (RFC 9457).

use std::{collections::BTreeMap, fmt, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::request_id::current_request_id;

/// What is wrong with each field of a body.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// Anything that keeps a request from being answered as asked.
#[derive(Debug)]
pub enum Error {
    /// 400: the body is not JSON.
    MalformedJson(String),
    /// 400: no `Host`, more than one, or none that can be a host.
    BadHost,
    /// 400: no such user, or not their password; never says which.
    BadCredentials,
    /// 401: nobody is logged in.
    NotLoggedIn {
        /// A word that stays the same between versions.
        reason: &'static str,
        /// What a developer should look at.
        detail: String,
    },
    /// 402: a visitor has opened as many different posts as are free.
    FreeReadsUsed {
        /// How many are.
        limit: u32,
    },
    /// 403: somebody else's.
    NotYours,
    /// 403: a page of another site asked.
    CrossSite,
    /// 404.
    NotFound,
    /// 409: somebody has this name.
    UsernameTaken,
    /// 409: somebody has this address.
    EmailTaken,
    /// 415: the body does not say that it is JSON.
    UnsupportedMediaType,
    /// 422: fields that cannot be taken.
    Invalid(FieldErrors),
    /// 429: too many attempts have failed, or too many accounts been made.
    TooManyAttempts {
        /// When the next one may be made.
        retry_after: Duration,
    },
    /// 503: more password hashing is waiting than can be done in time.
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// 503: the database does not answer.
    Unavailable,
    /// 500: a handler's values cannot be kept in the session, already logged.
    SessionValues(String),
    /// 500: a fault of ours, already logged.
    Internal,
    /// Any other status that a library below us chose.
    Status(StatusCode),
}

impl Error {
    /// A single field that cannot be taken.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(BTreeMap::from([(field.to_owned(), vec![message.into()])]))
    }

    /// One of each that a client can see.
    pub(super) fn examples() -> impl Iterator<Item = Self> {
        let not_logged_in = Self::NotLoggedIn {
            reason: "no_cookie",
            detail: "No `session` cookie came with the request.".to_owned(),
        };
        [
            Self::MalformedJson("expected value".to_owned()),
            Self::BadCredentials,
            not_logged_in,
            Self::FreeReadsUsed { limit: 3 },
            Self::NotYours,
            Self::CrossSite,
            Self::NotFound,
            Self::Status(StatusCode::REQUEST_TIMEOUT),
            Self::UsernameTaken,
            Self::EmailTaken,
            Self::Status(StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType,
            Self::invalid("title", "is required"),
            Self::TooManyAttempts {
                retry_after: Duration::from_secs(900),
            },
            Self::Internal,
            Self::Busy {
                retry_after: Duration::from_secs(3),
            },
            Self::Unavailable,
        ]
        .into_iter()
    }

    /// Logs a fault of ours and hides it from the client.
    pub fn internal(error: impl fmt::Display) -> Self {
        tracing::error!(%error, request_id = current_request_id(), "internal error");
        Self::Internal
    }

    /// The status this is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MalformedJson(_) | Self::BadHost | Self::BadCredentials => {
                StatusCode::BAD_REQUEST
            }
            Self::NotLoggedIn { .. } => StatusCode::UNAUTHORIZED,
            Self::FreeReadsUsed { .. } => StatusCode::PAYMENT_REQUIRED,
            Self::CrossSite | Self::NotYours => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::UsernameTaken | Self::EmailTaken => StatusCode::CONFLICT,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. } | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::SessionValues(_) | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Status(status) => *status,
        }
    }

    fn code(&self) -> String {
        let code = match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::BadHost => "bad_host",
            Self::BadCredentials => "bad_credentials",
            Self::NotLoggedIn { .. } => "not_logged_in",
            Self::FreeReadsUsed { .. } => "free_reads_used",
            Self::NotYours => "not_yours",
            Self::CrossSite => "cross_site",
            Self::UsernameTaken => "username_taken",
            Self::EmailTaken => "email_taken",
            Self::Invalid(_) => "invalid",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::SessionValues(_) => "session_values",
            Self::Busy { .. } => "busy",
            Self::Unavailable => "unavailable",
            Self::NotFound | Self::UnsupportedMediaType | Self::Internal | Self::Status(_) => {
                return title(self.status()).to_lowercase().replace([' ', '-'], "_");
            }
        };
        code.to_owned()
    }

    fn detail(&self) -> String {
        match self {
            Self::MalformedJson(what) => format!("The body is not JSON: {what}."),
            Self::BadHost => {
                "A request must have exactly one Host header, with a host and perhaps \
                              a port (RFC 9112, 3.2)."
                    .into()
            }
            Self::BadCredentials => "The username or the password is wrong.".into(),
            Self::NotLoggedIn { detail, .. } => detail.clone(),
            Self::FreeReadsUsed { .. } => {
                "You have read what is free. Log in or sign up to read on.".into()
            }
            Self::NotYours => "Somebody else wrote this.".into(),
            Self::CrossSite => "The request comes from a page of another site. \
                                ALLOWED_ORIGINS names the origins whose pages may call."
                .into(),
            Self::NotFound => "There is nothing at this address.".into(),
            Self::UsernameTaken => "Somebody has this username already.".into(),
            Self::EmailTaken => "Somebody has this e-mail address already.".into(),
            Self::UnsupportedMediaType => {
                "The body must be JSON and say so: Content-Type: application/json.".into()
            }
            Self::Invalid(_) => "Some fields cannot be taken; see `errors`.".into(),
            Self::TooManyAttempts { retry_after } => format!(
                "Too many attempts. Try again in {} s.",
                seconds(*retry_after)
            ),
            Self::Busy { .. } => "Too many people are logging in right now. Try again.".into(),
            Self::Unavailable => "The database does not answer right now. Try again.".into(),
            Self::SessionValues(why) => format!("The session was not saved: {why}."),
            Self::Internal => "Something went wrong on our side.".into(),
            Self::Status(StatusCode::METHOD_NOT_ALLOWED) => {
                "This address does not take this method; see the Allow header.".into()
            }
            Self::Status(StatusCode::REQUEST_TIMEOUT) => "The body did not arrive in time.".into(),
            Self::Status(StatusCode::PAYLOAD_TOO_LARGE) => "The body is larger than 64 KiB.".into(),
            Self::Status(status) => format!("{}.", title(*status)),
        }
    }

    /// The body this is answered with.
    pub fn problem(&self) -> Problem {
        Problem {
            r#type: "about:blank",
            title: title(self.status()),
            status: self.status().as_u16(),
            detail: self.detail(),
            code: self.code(),
            reason: match self {
                Self::NotLoggedIn { reason, .. } => Some(reason),
                _ => None,
            },
            limit: match self {
                Self::FreeReadsUsed { limit } => Some(*limit),
                _ => None,
            },
            errors: match self {
                Self::Invalid(errors) => Some(errors.clone()),
                _ => None,
            },
        }
    }
}

/// Whole seconds, none too few: who comes back then need not wait again.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// An error as a client sees it (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "detail": "No `session` cookie came with the request.",
    "code": "not_logged_in",
    "reason": "no_cookie"
}))]
pub struct Problem {
    /// Always `about:blank`: `code` tells errors apart.
    pub r#type: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The status again.
    pub status: u16,
    /// What happened, for a person.
    pub detail: String,
    /// What happened, for a program: a word that stays the same between versions.
    pub code: String,
    /// With `not_logged_in`: what is wrong with the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'static str>,
    /// With `free_reads_used`: how many are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub limit: Option<u32>,
    /// With `invalid`: what is wrong with each field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, inline)]
    pub errors: Option<FieldErrors>,
}

impl Problem {
    /// The media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(Problem::MEDIA_TYPE),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let retry_after = match self {
            Self::Busy { retry_after } | Self::TooManyAttempts { retry_after } => Some(retry_after),
            Self::Unavailable => Some(Duration::from_secs(1)),
            _ => None,
        };
        if let Some(wait) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match error {
            E::ColumnDecode { .. }
            | E::ColumnIndexOutOfBounds { .. }
            | E::ColumnNotFound(_)
            | E::Decode(_)
            | E::Encode(_)
            | E::RowNotFound
            | E::TypeNotFound { .. } => Self::internal(error),
            _ => {
                let request_id = current_request_id();
                tracing::error!(%error, request_id, "the database does not answer");
                Self::Unavailable
            }
        }
    }
}

impl From<tower_sessions::session::Error> for Error {
    fn from(error: tower_sessions::session::Error) -> Self {
        use tower_sessions::{session::Error as E, session_store::Error as Store};
        match error {
            E::Store(Store::Backend(error)) => {
                let request_id = current_request_id();
                tracing::error!(%error, request_id, "the session store does not answer");
                Self::Unavailable
            }
            E::Store(Store::Encode(why)) => {
                let request_id = current_request_id();
                tracing::error!(%why, request_id, "a session was not saved");
                Self::SessionValues(why)
            }
            other => Self::internal(other),
        }
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
        assert_eq!(Error::Internal.code(), "internal_server_error");
    }
}
