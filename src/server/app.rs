//! The whole app: every route and every layer, in one place.

use tower::Layer;
use tower_http::{csrf::ConfigError, normalize_path::NormalizePathLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::{
    health::Health,
    openapi::{docs_router, document_common_problems},
    page,
    settings::Config,
};
use crate::{
    auth::Auth,
    http::{HttpService, Problem},
    news,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "handstamp",
        description = "Login sessions for single-page apps. The session travels in a signed, \
            HttpOnly cookie that `POST /signup` and `POST /login` set. Every path also answers \
            with a trailing slash. Errors are problems (RFC 9457); `code` tells them apart. A \
            request without exactly one well-formed `Host` is answered 400 `bad_host`."
    ),
    components(schemas(Problem)),
    tags(
        (name = "session", description = "Signing up, logging in and out"),
        (name = "account", description = "What those who are logged in do to their own account"),
        (name = "news", description = "Just Tech News: posts, comments, votes and a paywall"),
        (name = "pages", description = "What a browser opens"),
        (name = "operators", description = "Whether the server is well"),
    )
)]
struct Description;

/// The app, ready to be served; under it `/login/` is `/login`.
///
/// # Errors
/// When one of `ALLOWED_ORIGINS` cannot be an origin.
pub fn service(
    config: &Config,
    auth: &Auth,
    health: Health,
) -> Result<impl HttpService + use<>, ConfigError> {
    let (api, mut openapi) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(auth.documented_router())
        .merge(health.router())
        .merge(news::documented_router(auth, &config.news))
        .merge(page::documented_router(auth, &config.web_dir))
        .split_for_parts();
    document_common_problems(&mut openapi, &news::Error::examples());
    let router = api.merge(docs_router(openapi));
    let app = config.layers().wrap(router)?;
    Ok(NormalizePathLayer::trim_trailing_slash().layer(app))
}
