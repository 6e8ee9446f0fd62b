//! A JSON body, or the problem that says what is wrong with it.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::timeout;

use super::Error;

/// Longer than 64 KiB take on any line that can log in at all.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Extracts a JSON body. JSON must be declared, so that no plain HTML form can post here.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::UnsupportedMediaType);
        }
        let body = timeout(READ_TIMEOUT, Bytes::from_request(request, state))
            .await
            .map_err(|_| Error::Status(StatusCode::REQUEST_TIMEOUT))?
            .map_err(|rejection| Error::Status(rejection.status()))?;
        parse(&body).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // serde would take an array for a struct, its items for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<IgnoredAny>(body).map_err(malformed)?;
        return Err(Error::invalid("body", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        match error.inner().classify() {
            Category::Data => {
                let message = without_position(error.inner());
                // serde names a missing field in its message alone.
                match message
                    .strip_prefix("missing field `")
                    .and_then(|rest| rest.strip_suffix('`'))
                {
                    Some(missing) => Error::invalid(missing, "is required"),
                    None if field == "." => Error::invalid("body", message),
                    None => Error::invalid(&field, message),
                }
            }
            _ => malformed(error.into_inner()),
        }
    })?;
    json.end().map_err(malformed)?;
    Ok(value)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::MalformedJson(without_position(&error))
}

fn without_position(error: &serde_json::Error) -> String {
    error
        .to_string()
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[allow(dead_code)]
        username: String,
    }

    fn problem(body: &str) -> (String, Vec<String>) {
        let problem = parse::<Body>(body.as_bytes())
            .err()
            .map(|error| error.problem());
        let problem = problem.unwrap_or_else(|| unreachable!("{body} was taken"));
        (
            problem.code,
            problem.errors.unwrap_or_default().into_keys().collect(),
        )
    }

    #[test]
    fn what_is_no_json_is_told_from_what_has_the_wrong_fields() {
        for body in ["", "{", "{\"username\":\"\"}x", "nope", &"[".repeat(10_000)] {
            assert_eq!(problem(body), ("malformed_json".into(), vec![]), "{body}");
        }
        assert_eq!(
            problem(r#"{"username":5}"#),
            ("invalid".into(), vec!["username".into()])
        );
        assert_eq!(problem("{}"), ("invalid".into(), vec!["username".into()]));
        for body in ["7", "null", "[\"Ann\"]"] {
            assert_eq!(
                problem(body),
                ("invalid".into(), vec!["body".into()]),
                "{body}"
            );
        }
    }

    #[test]
    fn json_must_be_declared() {
        let with = |value: &'static str| {
            let value = header::HeaderValue::from_static(value);
            is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
        };
        assert!(with("application/json; charset=utf-8"));
        assert!(with("Application/JSON"));
        assert!(!with("text/plain"));
        assert!(!with("application/x-www-form-urlencoded"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
