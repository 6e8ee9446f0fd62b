//! The addresses that a browser opens: the built page, or a note on how to get it.

mod range;
mod web_dir;

use std::{io::ErrorKind, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::web_dir::WebDir;
use super::settings::Config;
use crate::{
    auth::{Auth, request::extract::CurrentUser},
    http::Error,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// The page names files that the next build replaces.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The name of a file under `assets` changes with what is in it.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A browser gets the page where other clients get a problem.
const BY_ACCEPT: HeaderValue = HeaderValue::from_static("accept");
/// The tag by which a page learns `API_PREFIX`.
const NO_PREFIX: &str = r#"<meta name="api-prefix" content="""#;
const BUILT_IN_PAGE: &str = include_str!("built_in.html");

/// The templates of the news' pages.
pub(super) const NEWS_TEMPLATES: [&str; 2] = ["/dashboard", "/post/{id}"];

/// The page and its files. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Page(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    web_dir: WebDir,
    policy: HeaderValue,
    api_prefix: String,
}

impl Page {
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Parts {
            web_dir: WebDir::new(&config.web_dir),
            policy: config.page_csp.clone(),
            api_prefix: config.api_prefix.clone(),
        }))
    }

    /// The page at the root and, to a browser that navigates there, at every address that is no
    /// file of its folder.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(index))
            .fallback(file)
            .with_state(self.clone())
    }

    /// The addresses of the news, which serve its page to every client.
    pub fn news_router(&self) -> Router {
        let add = |router: Router<Self>, path: &str| router.route(path, get(index));
        let router = NEWS_TEMPLATES.into_iter().fold(Router::new(), add);
        router.with_state(self.clone())
    }

    /// The login page of the news.
    pub fn documented_login_router(&self, auth: &Auth) -> OpenApiRouter {
        let login = OpenApiRouter::new()
            .routes(routes!(login_page))
            .with_state(self.clone());
        login.layer(auth.layer())
    }

    /// The response where a route of the API does not take the method: the page for a browser
    /// that navigates there, else 405.
    pub async fn method_not_allowed(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Error> {
        match is_navigation(method, headers) {
            true => self.to_navigation().await,
            false => Err(Error::Status(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    async fn to_navigation(&self) -> Result<Response, Error> {
        let vary = [(header::VARY, BY_ACCEPT)];
        Ok((vary, self.index().await?).into_response())
    }

    async fn index(&self) -> Result<Response, Error> {
        let html = match self.0.web_dir.index().await {
            Ok(html) => Html(with_api_prefix(html, &self.0.api_prefix)).into_response(),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Html(BUILT_IN_PAGE).into_response()
            }
            Err(error) => return Err(Error::internal(error)),
        };
        let headers = [
            (header::CACHE_CONTROL, NO_CACHE),
            (header::CONTENT_SECURITY_POLICY, self.0.policy.clone()),
        ];
        Ok((headers, html).into_response())
    }
}

/// The login page
///
/// Redirects users who are logged in to their dashboard.
#[utoipa::path(get, path = "/login", tag = "pages", security((), ("session" = [])), responses(
    (status = 200, body = String, content_type = "text/html", description = "The page"),
    (status = 303, description = "Somebody is logged in",
        headers(("Location", description = "`/dashboard`"))),
))]
async fn login_page(
    user: Option<CurrentUser>,
    State(page): State<Page>,
) -> Result<Response, Error> {
    match user {
        Some(_) => Ok(Redirect::to("/dashboard").into_response()),
        None => Ok(([(header::CACHE_CONTROL, NO_STORE)], page.index().await?).into_response()),
    }
}

async fn index(State(page): State<Page>) -> Result<Response, Error> {
    page.index().await
}

/// A file of the built page, or the page itself for a browser that navigates to an address that
/// no file has: the page's router decides what is there.
async fn file(State(page): State<Page>, request: Request) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::NotFound);
    }
    // As a file it would come without its prefix.
    if request.uri().path() == "/index.html" && !page.0.api_prefix.is_empty() {
        return page.index().await;
    }
    let is_hashed = request.uri().path().starts_with("/assets/");
    let is_navigation = is_navigation(request.method(), request.headers());
    match page.0.web_dir.file(request).await {
        Ok(Some(found)) if found.status() == StatusCode::RANGE_NOT_SATISFIABLE => Ok(found),
        Ok(Some(found)) if !found.status().is_client_error() => {
            let cache = if is_hashed { FOR_GOOD } else { NO_CACHE };
            // Files too can be documents, or workers that bring their own policy.
            let headers = [
                (header::CACHE_CONTROL, cache),
                (header::CONTENT_SECURITY_POLICY, page.0.policy.clone()),
            ];
            Ok((headers, found).into_response())
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Error::internal(error)),
        _ if is_navigation => page.to_navigation().await,
        _ => Err(Error::NotFound),
    }
}

/// Writes `prefix`, which needs no escaping, into the page's `api-prefix` if it has an empty one.
fn with_api_prefix(html: String, prefix: &str) -> String {
    match prefix {
        "" => html,
        prefix => {
            let filled = format!(r#"<meta name="api-prefix" content="{prefix}""#);
            html.replacen(NO_PREFIX, &filled, 1)
        }
    }
}

/// Whether a browser will show the response as a page.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    let accepts_html = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.to_ascii_lowercase().contains("text/html")
    };
    matches!(*method, Method::GET | Method::HEAD)
        && headers.get_all(header::ACCEPT).iter().any(accepts_html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_written_into_an_empty_tag_alone() {
        let page = |tag: &str| format!("<head>{tag}<title>é</title></head>");
        let empty = page(r#"<meta name="api-prefix" content="" />"#);
        let filled = page(r#"<meta name="api-prefix" content="/auth/v1" />"#);
        assert_eq!(with_api_prefix(empty.clone(), "/auth/v1"), filled);
        assert_eq!(with_api_prefix(empty.clone(), ""), empty);
        for html in [page(""), filled] {
            assert_eq!(with_api_prefix(html.clone(), "/api"), html);
        }
    }
}
