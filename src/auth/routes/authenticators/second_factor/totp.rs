//! The caller's authenticator app and recovery codes.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::{
        account::credentials::Credentials,
        request::{SessionHandle, extract::RequestSession},
        totp::Enrolment,
    },
    http::{
        Error, JsonBody, Problem,
        problem_responses::{NotFound, NotLoggedIn, ReauthenticationRequired},
    },
};

#[derive(Deserialize, ToSchema)]
pub(in crate::auth::routes) struct Code {
    /// Six digits, as the authenticator app shows them.
    #[serde(default)]
    #[schema(required, min_length = 6, example = "492039")]
    pub code: String,
}

/// What goes into an authenticator app.
#[derive(Serialize, ToSchema)]
pub(in crate::auth::routes) struct TotpSecret {
    /// In base 32, to be typed.
    #[schema(example = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")]
    secret: String,
    /// The same as an `otpauth:` URI, to be shown as a QR code.
    #[schema(
        example = "otpauth://totp/app.example:Jackson?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=app.example"
    )]
    uri: String,
}

/// Codes that stand in for an authenticator app.
#[derive(Serialize, ToSchema)]
pub(in crate::auth::routes) struct RecoveryCodes {
    /// Ten; each counts once. They are shown this once.
    #[schema(example = json!(["3h7k-9qxn-0m2r-vw5c-61dt-y8pe", "…"]))]
    recovery_codes: Vec<String>,
}

/// Whether logins of the caller ask for a code.
#[derive(Serialize, ToSchema)]
pub(in crate::auth::routes) struct TotpState {
    enabled: bool,
    /// How many recovery codes are left.
    #[schema(value_type = i64)]
    recovery_codes_left: u64,
}

/// The code of a body.
pub(super) fn code_of(code: String) -> Result<String, Error> {
    if code.is_empty() {
        return Err(Error::invalid("code", "is required"));
    }
    Ok(code)
}

/// Whether the caller's logins ask for a code
#[utoipa::path(get, path = "/totp", tag = "account", security(("session" = [])), responses(
    (status = 200, body = TotpState),
    NotLoggedIn,
))]
pub(in crate::auth::routes) async fn totp_state(
    State(credentials): State<Arc<Credentials>>,
    session: SessionHandle,
) -> Result<Json<TotpState>, Error> {
    let (_, user) = session.enrolling().await?;
    let left = credentials.recovery_codes_left(user.id).await?;
    Ok(Json(TotpState {
        enabled: left.is_some(),
        recovery_codes_left: left.unwrap_or(0),
    }))
}

/// Get a secret for an authenticator app
///
/// Soon after a proof of who the caller is. Nothing is on until it is confirmed with a code.
#[utoipa::path(post, path = "/totp", tag = "account", security(("session" = [])), responses(
    (status = 200, body = TotpSecret),
    NotLoggedIn,
    ReauthenticationRequired,
))]
pub(in crate::auth::routes) async fn begin_totp(
    State(credentials): State<Arc<Credentials>>,
    session: SessionHandle,
) -> Result<Json<TotpSecret>, Error> {
    let (user, _) = session.recently_authenticated_to_enrol().await?;
    let Enrolment { secret, uri } = credentials.begin_totp(&user).await?;
    Ok(Json(TotpSecret { secret, uri }))
}

/// Turn codes on
///
/// With a code that the app has made of the secret; it is used up. From then on a login with the
/// password asks for a code. Soon after a proof of who the caller is.
#[utoipa::path(post, path = "/totp/confirm", tag = "account", request_body = Code,
    security(("session" = [])),
    responses(
        (status = 200, body = RecoveryCodes),
        (status = 400, body = Problem, content_type = "application/problem+json",
            description = "`bad_code`: it is wrong, or there is no secret to confirm"),
        NotLoggedIn,
        ReauthenticationRequired,
    ),
)]
pub(in crate::auth::routes) async fn confirm_totp(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
    JsonBody(Code { code }): JsonBody<Code>,
) -> Result<Json<RecoveryCodes>, Error> {
    let (user, session_id) = handle.recently_authenticated_to_enrol().await?;
    let confirmed = credentials.confirm_totp(user.id, session_id, code_of(code)?, &client);
    let recovery_codes = confirmed.await?.ok_or_else(|| handle.unknown_session())?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}

/// Turn codes off
///
/// Soon after a proof of who the caller is. Recovery codes go with them.
#[utoipa::path(delete, path = "/totp", tag = "account", security(("session" = [])), responses(
    (status = 204, description = "They are off"),
    NotLoggedIn,
    ReauthenticationRequired,
))]
pub(in crate::auth::routes) async fn remove_totp(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
) -> Result<StatusCode, Error> {
    let (user, session_id) = handle.recently_authenticated().await?;
    let removed = credentials.remove_second_factor(user.id, session_id, &client);
    removed.await?.ok_or_else(|| handle.unknown_session())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Get new recovery codes
///
/// Soon after a proof of who the caller is. The old ones are of no use any more.
#[utoipa::path(post, path = "/recovery-codes", tag = "account", security(("session" = [])),
    responses(
        (status = 200, body = RecoveryCodes),
        NotLoggedIn,
        ReauthenticationRequired,
        NotFound,
    ),
)]
pub(in crate::auth::routes) async fn renew_recovery_codes(
    State(credentials): State<Arc<Credentials>>,
    RequestSession { handle, client }: RequestSession,
) -> Result<Json<RecoveryCodes>, Error> {
    let (user, session_id) = handle.recently_authenticated().await?;
    let renewed = credentials.renew_recovery_codes(user.id, session_id, &client);
    let recovery_codes = renewed.await?.ok_or_else(|| handle.unknown_session())?;
    Ok(Json(RecoveryCodes { recovery_codes }))
}
