//! The Content-Security-Policy of the page.

use axum::http::HeaderValue;

/// Nothing but the page's own files, and nobody frames it (ASVS 3.4.3, 3.4.6).
pub(crate) const DEFAULT_PAGE_CSP: &str = "default-src 'none'; script-src 'self'; style-src \
    'self'; img-src 'self' data:; font-src 'self'; media-src 'self'; connect-src 'self'; \
    manifest-src 'self'; worker-src 'self'; object-src 'none'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// A policy, of which no more is known than that it can be sent.
pub(crate) fn page_csp(text: &str) -> Result<HeaderValue, String> {
    let is_sendable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    match HeaderValue::from_str(text) {
        Ok(policy) if is_sendable => Ok(policy),
        _ => Err("must be a Content-Security-Policy, in ASCII".to_owned()),
    }
}
