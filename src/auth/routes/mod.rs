//! The route table.

mod login;
mod password;
mod sessions;
mod sign_up;

use axum::extract::FromRef;
use utoipa::openapi::{
    ComponentsBuilder, OpenApi, OpenApiBuilder,
    security::{ApiKey, ApiKeyValue, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::account::{Accounts, credentials::Credentials};

/// What the handlers share, beside the session that the layer puts into each request.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub credentials: Credentials,
}

impl FromRef<Services> for Credentials {
    fn from_ref(services: &Services) -> Self {
        services.credentials.clone()
    }
}

impl FromRef<Services> for Accounts {
    fn from_ref(services: &Services) -> Self {
        services.credentials.accounts.clone()
    }
}

/// The routes, yet without their sessions, and their description. `cookie` is its name.
pub(crate) fn table(services: Services, cookie: &str) -> OpenApiRouter {
    OpenApiRouter::with_openapi(description(cookie))
        .routes(routes!(sign_up::sign_up))
        .routes(routes!(login::log_in))
        .routes(routes!(login::check_login))
        .routes(routes!(login::log_out))
        .routes(routes!(
            sessions::list_sessions,
            sessions::end_other_sessions
        ))
        .routes(routes!(sessions::end_session))
        .routes(routes!(password::change_password))
        .with_state(services)
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
