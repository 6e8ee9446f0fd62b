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

use crate::http::error::Error;

/// Enough for 64 KiB on a slow connection.
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
    // serde_json looks at strings that somebody wants, not at those in unknown fields.
    let body = std::str::from_utf8(body)
        .map_err(|_| Error::MalformedJson("it is not UTF-8 text".to_owned()))?;
    // serde would take an array for a struct, its items for the fields in their order.
    if !body.trim_ascii_start().starts_with('{') {
        serde_json::from_str::<IgnoredAny>(body).map_err(malformed)?;
        return Err(Error::invalid("body", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(body);
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
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    #[derive(Debug, Deserialize)]
    struct Body {
        #[allow(dead_code)]
        username: String,
    }

    fn problem(body: impl AsRef<[u8]>) -> (String, Vec<String>) {
        let body = body.as_ref();
        let problem = parse::<Body>(body).err().map(|error| error.problem());
        let problem = problem.unwrap_or_else(|| unreachable!("{body:?} was taken"));
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
        for body in [
            &b"{\"username\":\"\xff\"}"[..],
            b"{\"username\":\"Ann\",\"unknown\":\"\xff\"}",
        ] {
            assert_eq!(problem(body), ("malformed_json".into(), vec![]));
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

    /// The kinds of fields that bodies have.
    #[derive(Debug, Deserialize)]
    struct Draft {
        username: String,
        #[serde(default)]
        title: String,
        password: Option<String>,
        #[serde(default)]
        count: Option<i64>,
    }

    const WORDS: &[&str] = &[
        "\"username\":",
        "\"username\":\"Ann\",",
        "\"password\":null",
        "null",
        "1e999",
        "-0",
        "18446744073709551616",
        "\\ud800",
        "\\udc00\\ud800",
        "\\u0000",
        "\u{FEFF}",
        "[[[[[[[[",
        "{\"a\":",
        "\"",
        ",",
        "}",
        " ",
    ];

    /// A JSON text: keys come twice, numbers are huge, strings full of escapes.
    fn any_json() -> impl Strategy<Value = String> {
        let string = prop_oneof![
            any::<String>().prop_map(|text| serde_json::json!(text).to_string()),
            r#""(\\\\u[0-9a-fA-F]{4}|\\\\[nt"/b\\\\]|[ !#-\[\]-~é😀]){0,6}""#,
        ];
        let leaf = prop_oneof![
            4 => string.boxed(),
            1 => "(null|true|false)".boxed(),
            1 => "-?(0|[1-9][0-9]{0,30})([.][0-9]{1,30})?([eE][+-]?[0-9]{1,4})?".boxed(),
        ];
        leaf.prop_recursive(4, 10, 4, |inner| {
            let key = r#""(username|title|password|count|[a-z.\[\]]{0,4})""#;
            let pair = (key, inner.clone()).prop_map(|(key, value)| format!("{key}:{value}"));
            prop_oneof![
                3 => prop::collection::vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(","))),
                1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
                1 => (1..300_usize, inner).prop_map(|(depth, inner)| {
                    format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth))
                }),
            ]
        })
    }

    /// An object with the right fields, most of the time, and others.
    fn object() -> impl Strategy<Value = Vec<u8>> {
        let key = "(username|title|password|count|x)";
        let text = || any::<String>().prop_map(|text| json!(text).to_string());
        let other = || (key, any_json());
        let fields = (
            text(),
            prop::option::of(text()),
            prop::option::of(prop_oneof![text().boxed(), "null".boxed()]),
            prop::option::of("(null|-?[1-9][0-9]{0,18})"),
            prop::option::of(prop_oneof![text().boxed(), any_json().boxed()]),
            prop_oneof![3 => Just(None).boxed(), 1 => other().prop_map(Some).boxed()],
        );
        fields.prop_map(|(username, title, password, count, unknown, other)| {
            let fields = [
                ("username", Some(username)),
                ("title", title),
                ("password", password),
                ("count", count),
                ("x", unknown),
            ];
            let fields = fields.map(|(key, value)| value.map(|value| (key.to_owned(), value)));
            let pairs = fields.into_iter().chain([other]).flatten();
            let pairs = pairs.map(|(key, value)| format!("\"{key}\":{value}"));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")).into_bytes()
        })
    }

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_json_bodies() {
        let bodies = || {
            prop_oneof![
                2 => object().boxed(),
                1 => any_json().prop_map(String::into_bytes).boxed(),
                3 => spoilt(object(), WORDS).boxed(),
                1 => prop::collection::vec(any::<u8>(), 0..100).boxed(),
            ]
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
        fuzz("JSON bodies", bodies, |body| {
            let request = Request::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.clone().into());
            let request = request.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let taken = runtime.block_on(JsonBody::<Draft>::from_request(request, &()));
            let value = serde_json::from_slice::<Value>(&body);
            match taken {
                Ok(JsonBody(draft)) => {
                    prop_assert!(
                        std::str::from_utf8(&body).is_ok(),
                        "{}",
                        body.escape_ascii()
                    );
                    // Only what is beyond a `Value`, in a field that nobody reads, may be in it.
                    let Ok(value) = value else { return Ok(()) };
                    prop_assert_eq!(&value["username"], &json!(draft.username));
                    let title = value.get("title").cloned();
                    prop_assert_eq!(title.unwrap_or_else(|| json!("")), json!(draft.title));
                    prop_assert_eq!(&value["password"], &json!(draft.password));
                    prop_assert_eq!(&value["count"], &json!(draft.count));
                }
                Err(error) => {
                    let problem = error.problem();
                    prop_assert!(matches!(problem.status, 400 | 422), "{:?}", problem);
                    prop_assert!(serde_json::to_vec(&problem).is_ok());
                    prop_assert!(problem.status == 422 || value.is_err(), "{:?}", problem);
                    let errors = problem.errors.unwrap_or_default();
                    prop_assert_eq!(errors.is_empty(), problem.status == 400);
                }
            }
            Ok(())
        });
    }
}
