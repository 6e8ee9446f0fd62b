//! The public files of a folder.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;

use super::range;
use crate::http::Error;

/// The one hidden folder that is public (RFC 8615).
const WELL_KNOWN: &str = ".well-known";
/// Extensions of compressed copies, which lie beside their files.
const COMPRESSED: [&str; 2] = [".br", ".gz"];

/// The folder of the built page.
#[derive(Clone, Debug)]
pub(super) struct WebDir {
    folder: PathBuf,
    files: ServeDir,
}

impl WebDir {
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: ServeDir::new(folder)
                .append_index_html_on_directories(false)
                .precompressed_br()
                .precompressed_gzip(),
        }
    }

    /// The page itself.
    pub async fn index(&self) -> io::Result<String> {
        let index = Path::new("index.html");
        if self.leads_out(index.to_owned()).await? {
            return Err(io::ErrorKind::NotFound.into());
        }
        tokio::fs::read_to_string(self.folder.join(index)).await
    }

    /// The file that a request asks for; none where there is no public one.
    pub async fn file(&self, mut request: Request) -> io::Result<Option<Response>> {
        let Some(path) = visible_path(request.uri().path()) else {
            return Ok(None);
        };
        if self.leads_out(path).await? {
            return Ok(None);
        }
        let is_suffix = range::keep_if_good(&mut request);
        let again = is_suffix.then(|| range::whole(&request));
        let found = self.files.clone().try_call(request).await?;
        if found.status() != StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Some(found.into_response()));
        }
        // The last bytes of a file that has fewer are all of it.
        if let Some(whole) = again {
            let found = self.files.clone().try_call(whole).await?;
            return Ok(Some(found.into_response()));
        }
        let size = found.headers().get(header::CONTENT_RANGE).cloned();
        let mut refusal = Error::Status(StatusCode::RANGE_NOT_SATISFIABLE).into_response();
        let size = size.unwrap_or(HeaderValue::from_static("bytes */*"));
        refusal.headers_mut().insert(header::CONTENT_RANGE, size);
        Ok(Some(refusal))
    }

    /// Whether a link leads from `path`, or from a compressed file beside it, out of the folder.
    /// A user who can change links between this check and the opening could copy the file as well.
    async fn leads_out(&self, path: PathBuf) -> io::Result<bool> {
        let folder = self.folder.clone();
        let leads_out = move || {
            let Ok(root) = folder.canonicalize() else {
                return false;
            };
            let path = root.join(path).into_os_string();
            let compressed = COMPRESSED.map(|ending| {
                let mut file = path.clone();
                file.push(ending);
                file
            });
            let is_outside = |path: &OsString| {
                let target = Path::new(path).canonicalize();
                target.is_ok_and(|target| !target.starts_with(&root))
            };
            is_outside(&path) || compressed.iter().any(is_outside)
        };
        let looked = tokio::task::spawn_blocking(leads_out).await;
        looked.map_err(io::Error::other)
    }
}

/// The path below the folder that an address names; none where a part of it is hidden, empty or
/// a way up.
fn visible_path(address: &str) -> Option<PathBuf> {
    let decoded = percent_decode_str(address.strip_prefix('/')?)
        .decode_utf8()
        .ok()?;
    let is_visible = decoded
        .split('/')
        .enumerate()
        .all(|(depth, part)| !part.starts_with('.') || (depth == 0 && part == WELL_KNOWN));
    is_visible.then(|| decoded.trim_start_matches('/').into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hidden_files_are_told_from_others() {
        for hidden in [
            "/.env",
            "/%2eenv",
            "/%2Eenv",
            "/a/.git/config",
            "/a%2f.git/config",
            "/..",
            "/../a",
            "/a/%2e%2e/b",
            "/.",
            "/a/.well-known/b",
            "/.well-known/.env",
            "/.well-known.txt",
            "/%ff",
        ] {
            assert_eq!(visible_path(hidden), None, "{hidden}");
        }
        for (address, path) in [
            ("/app.js", "app.js"),
            ("/a/b.c", "a/b.c"),
            ("/.well-known/security.txt", ".well-known/security.txt"),
            ("/a%20b", "a b"),
            ("/%252eenv", "%2eenv"),
            ("/a..b", "a..b"),
            ("//etc/passwd", "etc/passwd"),
            ("/%2fetc/passwd", "etc/passwd"),
        ] {
            assert_eq!(visible_path(address), Some(path.into()), "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_address_leads_out(address in "/[ -~]{0,40}|(/(%2[eEfF]|[.a/]){1,8}){1,4}") {
            if let Some(path) = visible_path(&address) {
                let is_below = path
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                prop_assert!(path.is_relative() && is_below, "{}", path.display());
            }
        }
    }
}
