//! The whole app: every route and every layer, in one place.

use axum::{
    Router,
    http::{HeaderMap, Method, StatusCode},
};
use tower_http::csrf::ConfigError;
use utoipa::{OpenApi, openapi::Server};
use utoipa_axum::router::OpenApiRouter;

use super::{
    doctor::{SEEN_TEMPLATE, seen_router},
    health::Health,
    metrics::{Measured, Metrics},
    openapi::{DOCS_TEMPLATES, Description, docs_router, document_common_problems},
    page::{NEWS_TEMPLATES, Page},
    settings::Config,
};
use crate::{
    auth::Auth,
    http::{Error, HttpService, Problem, trim_trailing_slash},
    news,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "handstamp",
        description = "Login sessions for single-page apps. The session travels in a signed, \
            HttpOnly cookie that `POST /signup` and `POST /login` set. Every path also answers \
            with a trailing slash. Errors are problems (RFC 9457); `code` tells them apart. A \
            request without exactly one well-formed `Host` gets 400 `bad_host`."
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
struct Api;

/// The app, ready to be served; under it `/login/` is `/login`. Its requests are counted if there
/// are `metrics`.
///
/// # Errors
/// When one of `ALLOWED_ORIGINS` cannot be an origin.
pub fn service(
    config: &Config,
    auth: &Auth,
    health: Health,
    metrics: Option<&Metrics>,
) -> Result<impl HttpService + use<>, ConfigError> {
    let page = Page::new(config);
    let is_at_root = config.api_prefix.is_empty();
    let mut api = OpenApiRouter::with_openapi(Api::openapi())
        .merge(auth.documented_router())
        .merge(health.clone().router());
    if let Some(settings) = &config.news {
        api = api.merge(news::documented_router(auth, settings));
        if is_at_root {
            api = api.merge(page.documented_login_router(auth));
        }
    }
    let (api, mut openapi) = api.split_for_parts();
    document_common_problems(&mut openapi, news::Error::examples());
    if config.news.is_none() {
        openapi
            .tags
            .iter_mut()
            .for_each(|tags| tags.retain(|tag| tag.name != "news"));
    }
    let templates = templates(config, openapi.paths.paths.keys());
    let api = api.merge(seen_router(config, auth));
    if !is_at_root {
        openapi.servers = Some(vec![Server::new(&config.api_prefix)]);
    }
    let description = Description::of(&openapi);
    drop(openapi);
    let api = match is_at_root {
        true => api.merge(docs_router(description, "")),
        false => {
            // Operators and browsers find theirs at the root as well.
            let operators: Router = health.router().into();
            Router::new()
                .nest(
                    &config.api_prefix,
                    below_prefix(api.merge(docs_router(description.clone(), &config.api_prefix))),
                )
                .merge(operators)
                .merge(docs_router(description, ""))
        }
    };
    let mut router = api.merge(page.router());
    if config.news.is_some() {
        router = router.merge(page.news_router());
    }
    let router =
        router.method_not_allowed_fallback(async move |method: Method, headers: HeaderMap| {
            page.method_not_allowed(&method, &headers).await
        });
    let app = config.layers().wrap(router)?;
    let app = match metrics {
        Some(metrics) => metrics.requests().around(app, templates),
        None => Measured::not(app),
    };
    Ok(trim_trailing_slash(app))
}

/// The templates of every route: those of the API, as its description has them, and the page's.
fn templates<'a>(config: &Config, api: impl Iterator<Item = &'a String>) -> Vec<String> {
    let prefix = &config.api_prefix;
    let api = api
        .map(String::as_str)
        .chain(DOCS_TEMPLATES)
        .chain([SEEN_TEMPLATE]);
    let mut templates: Vec<_> = api.map(|path| format!("{prefix}{path}")).collect();
    let mut add = |paths: &[&str]| templates.extend(paths.iter().map(|path| (*path).to_owned()));
    if !prefix.is_empty() {
        add(&Health::TEMPLATES);
        add(&DOCS_TEMPLATES);
    }
    add(&["/"]);
    if config.news.is_some() {
        add(&NEWS_TEMPLATES);
    }
    templates
}

/// Below the prefix every address is the API's: an unknown one is 404, not the page.
fn below_prefix(api: Router) -> Router {
    api.fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::Status(StatusCode::METHOD_NOT_ALLOWED))
}
