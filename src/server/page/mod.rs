//! The addresses a browser opens: the built page, or a word on how to get it.

mod range;
mod web_dir;

use std::{io::ErrorKind, path::Path, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::{Auth, request::extract::CurrentUser},
    http::Error,
};
use web_dir::WebDir;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The page names files that the next build replaces.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The name of a file under `assets` changes with what is in it.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Nothing but the page's own files, and nobody frames it (ASVS 3.4.3, 3.4.6).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const BUILT_IN_PAGE: &str = include_str!("built_in.html");

/// The page's addresses, and the files of `web_dir` under every other.
pub fn documented_router(auth: &Auth, web_dir: &Path) -> OpenApiRouter {
    let web_dir = Arc::new(WebDir::new(web_dir));
    let login = OpenApiRouter::new()
        .routes(routes!(login_page))
        .with_state(web_dir.clone());
    let pages = Router::new()
        .route("/", get(page))
        .route("/dashboard", get(page))
        .route("/post/{id}", get(page))
        .fallback(file)
        .with_state(web_dir);
    login.layer(auth.layer()).merge(pages.into())
}

/// The log-in page
///
/// For those who are logged in already, the way to their dashboard.
#[utoipa::path(get, path = "/login", tag = "pages", security((), ("session" = [])), responses(
    (status = 200, body = String, content_type = "text/html", description = "The page"),
    (status = 303, description = "Somebody is logged in",
        headers(("Location", description = "`/dashboard`"))),
))]
async fn login_page(
    user: Option<CurrentUser>,
    web_dir: State<Arc<WebDir>>,
) -> Result<Response, Error> {
    match user {
        Some(_) => Ok(Redirect::to("/dashboard").into_response()),
        None => Ok(([(header::CACHE_CONTROL, NO_STORE)], page(web_dir).await?).into_response()),
    }
}

async fn page(State(web_dir): State<Arc<WebDir>>) -> Result<Response, Error> {
    let html = match web_dir.index().await {
        Ok(html) => Html(html).into_response(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Html(BUILT_IN_PAGE).into_response()
        }
        Err(error) => return Err(Error::internal(error)),
    };
    let headers = [
        (header::CACHE_CONTROL, NO_CACHE),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, html).into_response())
}

/// A file of the built page. An address that no file can have is not there; who looks for it
/// with a browser is told so by the page.
async fn file(web_dir: State<Arc<WebDir>>, request: Request) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::NotFound);
    }
    let is_hashed = request.uri().path().starts_with("/assets/");
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let is_browser = accept.is_some_and(|accept| accept.contains("text/html"));
    match web_dir.file(request).await {
        Ok(Some(found)) if found.status() == StatusCode::RANGE_NOT_SATISFIABLE => Ok(found),
        Ok(Some(found)) if !found.status().is_client_error() => {
            let cache = if is_hashed { FOR_GOOD } else { NO_CACHE };
            Ok(([(header::CACHE_CONTROL, cache)], found).into_response())
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Error::internal(error)),
        _ if is_browser => Ok((StatusCode::NOT_FOUND, page(web_dir).await?).into_response()),
        _ => Err(Error::NotFound),
    }
}
