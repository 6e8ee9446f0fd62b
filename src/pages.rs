//! The addresses a browser opens: the built page, or a word on how to get it.

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use tower::service_fn;
use tower_http::services::ServeDir;

use crate::{
    gate::{CurrentUser, Gate},
    http::Error,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The page names files that the next build replaces.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const BUILT_IN_PAGE: &str = include_str!("pages/built_in.html");

/// The page's addresses, and the files of `web_dir` under every other.
pub fn router(gate: &Gate, web_dir: &Path) -> Router {
    let not_found = service_fn(async |_| Ok::<_, Infallible>(Error::NotFound.into_response()));
    let files = ServeDir::new(web_dir)
        .append_index_html_on_directories(false)
        .call_fallback_on_method_not_allowed(true)
        .fallback(not_found);
    gate.protect(Router::new().route("/login", get(login_page)))
        .route("/", get(page))
        .route("/dashboard", get(page))
        .route("/post/{id}", get(page))
        .with_state(Arc::new(web_dir.join("index.html")))
        .fallback_service(files)
}

/// Those who are logged in have no use for the log-in page.
async fn login_page(
    user: Option<CurrentUser>,
    index: State<Arc<PathBuf>>,
) -> Result<Response, Error> {
    match user {
        Some(_) => Ok(Redirect::to("/dashboard").into_response()),
        None => Ok(([(header::CACHE_CONTROL, NO_STORE)], page(index).await?).into_response()),
    }
}

async fn page(State(index): State<Arc<PathBuf>>) -> Result<Response, Error> {
    let html = match tokio::fs::read_to_string(&*index).await {
        Ok(html) => Html(html).into_response(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Html(BUILT_IN_PAGE).into_response()
        }
        Err(error) => return Err(Error::internal(error)),
    };
    Ok(([(header::CACHE_CONTROL, NO_CACHE)], html).into_response())
}
