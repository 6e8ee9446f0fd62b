//! An origin: `ALLOWED_ORIGINS` and `RP_ORIGINS`.

use url::Url;

/// An origin as browsers write it: scheme, host and, unless usual, port.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let origin = Url::parse(text).map(|url| url.origin().ascii_serialization());
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    match origin {
        Ok(origin) if is_web && origin == text => Ok(origin),
        _ => Err(format!(
            "must be an origin such as https://app.example (it is {text:?})"
        )),
    }
}
