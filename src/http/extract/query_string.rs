//! A query string, or the problem that says what is wrong with it.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::de::DeserializeOwned;

use crate::http::error::Error;

/// Extracts the values of a query string.
#[derive(Debug)]
pub(crate) struct QueryString<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryString<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let values = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(values)
            .map(Self)
            .map_err(|error| {
                let field = match error.path().iter().next() {
                    Some(_) => error.path().to_string(),
                    // A field that comes twice, say, is an error of the whole.
                    None => "query".to_owned(),
                };
                Error::invalid(&field, error.into_inner().to_string())
            })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Request, Uri};
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::fuzz::{fuzz, spoilt};

    #[derive(Debug, Deserialize)]
    struct Page {
        limit: Option<i64>,
        after: Option<String>,
    }

    #[test]
    fn an_error_names_its_field() {
        let errors = |query: &str| {
            let request = Request::builder().uri(format!("/posts?{query}")).body(());
            let (mut parts, ()) = request
                .map(Request::into_parts)
                .unwrap_or_else(|error| unreachable!("{error}"));
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
            let page = runtime.block_on(QueryString::<Page>::from_request_parts(&mut parts, &()));
            let errors = page.err().and_then(|error| error.problem().errors);
            errors.unwrap_or_default().into_iter().collect::<Vec<_>>()
        };
        let one = |field: &str, what: &str| vec![(field.to_owned(), vec![what.to_owned()])];
        assert_eq!(errors("limit=5&after=x&other=y"), []);
        assert_eq!(
            errors("limit=five"),
            one("limit", "invalid digit found in string")
        );
        assert_eq!(
            errors("after=a&after=b"),
            one("query", "duplicate field `after`")
        );
    }

    const WORDS: &[&str] = &[
        "limit=", "&limit=1", "after=", "&", "=", "%", "%00", "%ff", "+", ": ",
    ];

    #[test]
    #[ignore = "scripts/fuzz runs it"]
    fn fuzz_query_strings() {
        let valid = || {
            let pair = prop_oneof!["limit=[-+]?[0-9]{0,20}", "after=[!-~]{0,40}", "[!-~]{0,20}"];
            prop::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join("&").into_bytes())
        };
        let queries = || prop_oneof![valid().boxed(), spoilt(valid(), WORDS).boxed()];
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap_or_else(|error| unreachable!("{error}"));
        fuzz("query strings", queries, |query| {
            let uri = [b"/posts?", &*query].concat();
            let Ok(uri) = Uri::try_from(uri) else {
                return Ok(());
            };
            let query = uri.query().unwrap_or_default().to_owned();
            let request = Request::builder().uri(uri).body(());
            let request = request.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let (mut parts, ()) = request.into_parts();
            let page = runtime.block_on(QueryString::<Page>::from_request_parts(&mut parts, &()));
            let values: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
            let sent = |name| {
                values
                    .iter()
                    .filter(move |(key, _)| *key == name)
                    .map(|(_, value)| value)
            };
            match page {
                Ok(QueryString(page)) => {
                    let limit = sent("limit").next().and_then(|text| text.parse().ok());
                    prop_assert_eq!(page.limit, limit);
                    prop_assert_eq!(
                        page.after.as_deref(),
                        sent("after").next().map(|text| &**text)
                    );
                }
                Err(error) => {
                    let problem = error.problem();
                    prop_assert_eq!(problem.status, 422);
                    let errors = problem.errors.unwrap_or_default();
                    let named = errors
                        .keys()
                        .all(|field| ["limit", "query"].contains(&&**field));
                    prop_assert!(named && errors.len() == 1, "{:?}", errors);
                    prop_assert!(
                        errors.values().flatten().all(|what| !what.is_empty()),
                        "{:?}",
                        errors
                    );
                }
            }
            Ok(())
        });
    }
}
