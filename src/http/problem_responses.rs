//! Problems that many operations describe.

use utoipa::IntoResponses;

use super::problem::Problem;

/// 401.
#[derive(IntoResponses)]
#[response(
    status = 401,
    description = "`not_logged_in`, with `reason`: `no_cookie`, `bad_signature`, \
        `unknown_session`, `expired`, `user_gone` or `device_proof_missing`",
    content_type = "application/problem+json"
)]
pub struct NotLoggedIn(#[allow(dead_code)] Problem);

/// 403 when the caller has not proved lately who they are.
#[derive(IntoResponses)]
#[response(
    status = 403,
    description = "`reauthentication_required`, with `methods`: the caller has not proved within \
        `REAUTHENTICATION_WINDOW` who they are; see `POST /reauthenticate`",
    content_type = "application/problem+json"
)]
pub struct ReauthenticationRequired(#[allow(dead_code)] Problem);

/// 404.
#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "`not_found`",
    content_type = "application/problem+json"
)]
pub struct NotFound(#[allow(dead_code)] Problem);

/// 429 when too many attempts have failed.
#[derive(IntoResponses)]
#[response(
    status = 429,
    description = "`too_many_attempts`: see the settings `LOGIN_FAILURES_PER_ACCOUNT`, \
        `LOGIN_FAILURES_PER_ADDRESS` and `SIGNUPS_PER_ADDRESS`",
    content_type = "application/problem+json",
    headers(("Retry-After" = i64, description = "Seconds to wait"))
)]
pub struct TooManyAttempts(#[allow(dead_code)] Problem);

/// 429 when too many codes were wrong.
#[derive(IntoResponses)]
#[response(
    status = 429,
    description = "`too_many_attempts`: see the setting `LOGIN_FAILURES_PER_ACCOUNT`; or \
        `codes_locked_out`, without `Retry-After`: a hundred codes in a row were wrong, and none is \
        taken until the user logs in with a recovery code or a passkey",
    content_type = "application/problem+json",
    headers(("Retry-After" = i64, description = "Seconds to wait"))
)]
pub struct TooManyCodes(#[allow(dead_code)] Problem);

/// 503 when too many event streams are open.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "`busy`: as many streams are open as the server takes",
    content_type = "application/problem+json",
    headers(("Retry-After" = i64, description = "Seconds to wait"))
)]
pub struct StreamsBusy(#[allow(dead_code)] Problem);
/// 400 when the token of a link is good for nothing.
#[derive(IntoResponses)]
#[response(
    status = 400,
    description = "`bad_token`: it was used, has expired, or never was one",
    content_type = "application/problem+json"
)]
pub struct BadToken(#[allow(dead_code)] Problem);

/// 429 when too many mails were asked for.
#[derive(IntoResponses)]
#[response(
    status = 429,
    description = "`too_many_attempts`: see the settings `MAILS_PER_ACCOUNT` and \
        `MAILS_PER_ADDRESS`",
    content_type = "application/problem+json",
    headers(("Retry-After" = i64, description = "Seconds to wait"))
)]
pub struct TooManyMails(#[allow(dead_code)] Problem);

/// 503 where no mail is sent.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "`mail_not_configured`: `SMTP_URL` is not set",
    content_type = "application/problem+json"
)]
pub struct MailNotConfigured(#[allow(dead_code)] Problem);

/// 503 when too many passwords wait to be hashed, or codes of one user to be checked.
#[derive(IntoResponses)]
#[response(
    status = 503,
    description = "`busy`: too many are logging in at once",
    content_type = "application/problem+json",
    headers(("Retry-After" = i64, description = "Seconds to wait"))
)]
pub struct Busy(#[allow(dead_code)] Problem);
