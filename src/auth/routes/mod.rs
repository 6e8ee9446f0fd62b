//! The route table.

mod account;
#[cfg(any(feature = "passkeys", feature = "totp"))]
mod authenticators;
mod device;
mod email;
mod events;
mod login;
mod password;
mod reauthentication;
mod recovery;
mod session;
mod sessions;
mod sign_up;

use std::sync::Arc;

use axum::extract::FromRef;
use utoipa::openapi::{
    ComponentsBuilder, OpenApi, OpenApiBuilder, RefOr, Schema,
    security::{ApiKey, ApiKeyValue, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::account::{Accounts, credentials::Credentials};

/// What the handlers share, beside the session that the layer puts into each request. Each request
/// clones it.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub credentials: Arc<Credentials>,
}

impl FromRef<Services> for Arc<Credentials> {
    fn from_ref(services: &Services) -> Self {
        services.credentials.clone()
    }
}

impl FromRef<Services> for Accounts {
    fn from_ref(services: &Services) -> Self {
        services.credentials.accounts.clone()
    }
}

/// What a sign-up does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignUpRoute {
    /// It is refused.
    Closed,
    LogsIn,
    /// It sends a link that verifies the address.
    Verifies,
}

/// What the routes and their description depend on.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Its name.
    pub cookie: &'a str,
    pub sign_up: SignUpRoute,
    pub password_min_length: usize,
}

/// The routes, yet without their sessions, and their description.
pub(crate) fn table(services: Services, options: &Options<'_>) -> OpenApiRouter {
    let sign_up = match options.sign_up {
        SignUpRoute::LogsIn => routes!(sign_up::sign_up),
        SignUpRoute::Verifies => routes!(sign_up::sign_up_unverified),
        SignUpRoute::Closed => routes!(sign_up::refuse_sign_up),
    };
    #[cfg(feature = "totp")]
    let has_totp = services.credentials.totp.is_some();
    #[cfg(feature = "passkeys")]
    let has_passkeys = services.credentials.passkeys.is_some();
    let table = OpenApiRouter::with_openapi(description(options.cookie))
        .routes(sign_up)
        .routes(routes!(login::log_in))
        .routes(routes!(login::check_login))
        .routes(routes!(login::log_out))
        .routes(routes!(session::session_info))
        .routes(routes!(reauthentication::reauthenticate))
        .routes(routes!(events::session_events))
        .routes(routes!(
            sessions::list_sessions,
            sessions::end_other_sessions
        ))
        .routes(routes!(sessions::end_session))
        .routes(routes!(password::change_password))
        .routes(routes!(recovery::forgot_password))
        .routes(routes!(recovery::reset_password))
        .routes(routes!(email::send_verification))
        .routes(routes!(email::verify_email))
        .routes(routes!(email::change_email))
        .routes(routes!(account::delete_account))
        .routes(routes!(device::register_device))
        .routes(routes!(device::refresh_device));
    #[cfg(feature = "totp")]
    let table = match has_totp {
        true => with_totp(table),
        false => table,
    };
    #[cfg(feature = "passkeys")]
    let table = match has_passkeys {
        true => with_passkeys(table),
        false => table,
    };
    let mut table = table.with_state(services);
    describe_min_length(table.get_openapi_mut(), options.password_min_length);
    table
}

#[cfg(feature = "totp")]
fn with_totp(table: OpenApiRouter<Services>) -> OpenApiRouter<Services> {
    use authenticators::second_factor::{login, totp};
    table
        .routes(routes!(
            totp::totp_state,
            totp::begin_totp,
            totp::remove_totp
        ))
        .routes(routes!(totp::confirm_totp))
        .routes(routes!(totp::renew_recovery_codes))
        .routes(routes!(login::log_in_with_totp))
        .routes(routes!(login::log_in_with_recovery_code))
}

#[cfg(feature = "passkeys")]
fn with_passkeys(table: OpenApiRouter<Services>) -> OpenApiRouter<Services> {
    use authenticators::passkeys::{own, proofs};
    table
        .routes(routes!(own::list_passkeys, own::add_passkey))
        .routes(routes!(own::passkey_options))
        .routes(routes!(own::rename_passkey, own::delete_passkey))
        .routes(routes!(proofs::login_options))
        .routes(routes!(proofs::log_in_with_passkey))
        .routes(routes!(proofs::reauthenticate_options))
        .routes(routes!(proofs::reauthenticate_with_passkey))
}

/// Says in the description how long a new password has to be.
fn describe_min_length(openapi: &mut OpenApi, min_length: usize) {
    let Some(components) = &mut openapi.components else {
        return;
    };
    for (schema, field) in [
        ("SignUp", "password"),
        ("PasswordChange", "new_password"),
        ("PasswordReset", "new_password"),
    ] {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(schema)
            && let Some(RefOr::T(Schema::Object(password))) = object.properties.get_mut(field)
        {
            password.min_length = Some(min_length);
        }
    }
}

/// The cookie that operations ask for, by the name that it has here.
fn description(cookie: &str) -> OpenApi {
    let cookie = ApiKeyValue::with_description(cookie, "Set by `POST /signup` and `POST /login`");
    let scheme = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
    let components = ComponentsBuilder::new().security_scheme("session", scheme);
    OpenApiBuilder::new()
        .components(Some(components.build()))
        .build()
}
