//! The page is compressed, and what holds a user's data is not.

use axum::http::Method;

use super::client::{ACCEPT_ALL_ENCODINGS, Response, Site, Unreachable};
use crate::server::doctor::report::Check;

const PAGE: &str = "page_compression";
const API: &str = "api_compression";
/// Less is sent in the first packets anyway.
const WORTHWHILE: usize = 8 * 1024;
/// Files of the page that are looked at.
const MAX_FILES: usize = 6;

/// Whether responses of the API are compressed, of which the length then tells what is in them
/// (BREACH). `responses` were asked for in any encoding.
pub(super) async fn of_api(site: &Site, responses: &[&Response]) -> Check {
    let asked = [
        site.get("/checklogin", &[ACCEPT_ALL_ENCODINGS]).await,
        site.get("/healthz/unknown", &[ACCEPT_ALL_ENCODINGS]).await,
        site.send(Method::POST, "/login", &[ACCEPT_ALL_ENCODINGS], None)
            .await,
        // Public itself, but of the type of the others.
        site.get("/openapi.json", &[ACCEPT_ALL_ENCODINGS]).await,
    ];
    let is_known = !responses.is_empty();
    let asked = asked.iter().flatten().take(if is_known { 3 } else { 4 });
    let encodings = responses.iter().copied().chain(asked).filter_map(encoding);
    let found: Vec<&str> = encodings.collect();
    match found.first() {
        Some(encoding) => Check::fail(
            API,
            format!(
                "responses of the API are compressed ({encoding}): their length tells what is in \
                 them to an attacker who can have part of a request repeated (BREACH)"
            ),
            "compress html, css and javascript alone (nginx: no application/json in gzip_types; \
             Caddy: encode with a match on the content type)",
        ),
        None if is_known => Check::pass(API, "responses with data are sent as they are"),
        None => Check::skipped(
            API,
            "errors and the API's description are not; responses with data are seen with the site's \
             SECRET_KEY alone",
        ),
    }
}

/// Whether the page is compressed, and the scripts and styles that it names.
pub(super) async fn of_page(site: &Site) -> Check {
    match uncompressed(site).await {
        Err(error) => Check::skipped(PAGE, error),
        Ok(files) if files.is_empty() => Check::pass(PAGE, "nothing large is sent uncompressed"),
        Ok(files) => Check::fail(
            PAGE,
            format!("sent uncompressed: {}", files.join(", ")),
            "put .br and .gz files beside those of WEB_DIR when building the page, or have the \
             proxy compress html, css and javascript (nginx: gzip on; gzip_types text/css \
             text/javascript)",
        ),
    }
}

/// The files that should have been compressed, with their sizes.
async fn uncompressed(site: &Site) -> Result<Vec<String>, Unreachable> {
    let mut found = Vec::new();
    let page = fetch(site, "/").await?;
    note(&mut found, "/", &page);
    // Compressed, it cannot be read here; asked for again as it is.
    let url = format!("{}/", site.origin);
    let html = site
        .request(Method::GET, &url, &[("accept", "text/html")], None)
        .await?;
    let html = String::from_utf8_lossy(&html.body).into_owned();
    for path in files(&html).take(MAX_FILES) {
        let file = fetch(site, path).await?;
        note(&mut found, path, &file);
    }
    Ok(found)
}

async fn fetch(site: &Site, path: &str) -> Result<Response, Unreachable> {
    let url = format!("{}{path}", site.origin);
    let headers = [ACCEPT_ALL_ENCODINGS, ("accept", "text/html, */*")];
    site.request(Method::GET, &url, &headers, None).await
}

fn note(found: &mut Vec<String>, path: &str, response: &Response) {
    let kind = response.header("content-type").unwrap_or_default();
    let is_text = kind.starts_with("text/") || kind.contains("javascript");
    if is_text
        && response.status == 200
        && encoding(response).is_none()
        && response.body.len() >= WORTHWHILE
    {
        found.push(format!("{path} ({} bytes)", response.body.len()));
    }
}

fn encoding(response: &Response) -> Option<&str> {
    let encoding = response.header("content-encoding")?;
    (encoding != "identity").then_some(encoding)
}

/// The addresses on this site that the page's attributes name.
fn files(html: &str) -> impl Iterator<Item = &str> {
    let attributes = [" src=\"", " href=\""];
    let found = attributes
        .into_iter()
        .flat_map(move |attribute| html.split(attribute).skip(1));
    let values = found.filter_map(|rest| rest.split('"').next());
    values.filter(|value| value.starts_with('/') && !value.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::files;

    #[test]
    fn the_pages_own_files_are_found() {
        let html = r#"<script type="module" src="/assets/a.js"></script>
            <link rel="stylesheet" href="/assets/a.css"><a href="https://other.example/">x</a>
            <script src="//cdn.example/b.js"></script><img src='/single.png'>"#;
        let found: Vec<_> = files(html).collect();
        assert_eq!(found, ["/assets/a.js", "/assets/a.css"]);
    }
}
