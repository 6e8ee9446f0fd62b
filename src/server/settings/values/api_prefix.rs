//! The path that the API lives under.

/// First segments that the root serves itself.
const TAKEN: [&str; 5] = ["assets", "docs", "healthz", "openapi.json", "readyz"];

/// A path such as `/api` or `/auth/v1`.
pub(crate) fn api_prefix(text: &str) -> Result<String, String> {
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let Some(path) = text.strip_prefix('/') else {
        return Err(format!("must begin with / as /api does (it is {text:?})"));
    };
    if !path.split('/').all(is_segment) {
        return Err(format!(
            "must be a path such as /api: letters, digits, -, . and _, no / at its end (it is {text:?})"
        ));
    }
    let first = path.split('/').next().unwrap_or_default();
    if TAKEN.contains(&first) {
        return Err(format!("must not begin with /{first}, which is taken"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_told_from_other_texts() {
        for good in ["/api", "/auth/v1", "/a-b_c.d~e"] {
            assert_eq!(api_prefix(good).as_deref(), Ok(good));
        }
        for bad in [
            "api",
            "/",
            "/api/",
            "//api",
            "/a//b",
            "/a b",
            "/{id}",
            "/*",
            "/a?b",
            "/a%20b",
            "/é",
            "/..",
            "/.well-known",
            "/docs",
            "/docs/api",
            "https://a/api",
        ] {
            assert!(api_prefix(bad).is_err(), "{bad}");
        }
    }
}
