//! `/openapi.json`, written from the code, and `/docs` to browse it.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};
use utoipa::openapi::{
    ContentBuilder, Header, HttpMethod, Object, OpenApi, Ref, RefOr, Response as ApiResponse,
    ResponseBuilder, Type, example::ExampleBuilder, path::Operation,
};
use utoipa_swagger_ui::Config;

use crate::http::{Error, Problem};

/// Swagger UI sets inline styles.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
);
/// The page of Swagger UI, whose own names its files relative to `/docs/`.
const PAGE: &str = include_str!("docs.html");
const OPENAPI_PATH: &str = "/openapi.json";
/// The templates of its routes.
pub const DOCS_TEMPLATES: [&str; 3] = [OPENAPI_PATH, "/docs", "/docs/{*file}"];

/// The description, as it is sent: its parts would take twenty times the memory.
#[derive(Clone)]
pub struct Description(Result<Bytes, Arc<str>>);

impl Description {
    pub fn of(openapi: &OpenApi) -> Self {
        let text = serde_json::to_vec(openapi);
        Self(
            text.map(Bytes::from)
                .map_err(|error| error.to_string().into()),
        )
    }
}

impl IntoResponse for Description {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => Error::internal(error.to_string()).into_response(),
        }
    }
}

/// Serves the description and its page, both from memory. `prefix` is the path that the router
/// is nested under.
pub fn docs_router(openapi: Description, prefix: &str) -> Router {
    let description = format!("{prefix}{OPENAPI_PATH}");
    let swagger_ui = Arc::new(Config::from(description).validator_url("none"));
    let page: Arc<str> = PAGE.replace("{docs}", &format!("{prefix}/docs")).into();
    let docs = page.clone();
    Router::new()
        .route(OPENAPI_PATH, get(async move || openapi))
        .route("/docs", get(async move || index(&page)))
        .route(
            "/docs/{*file}",
            get(async move |Path(file): Path<String>| match &*file {
                "index.html" => index(&docs),
                file => swagger_file(file, swagger_ui),
            }),
        )
}

fn index(page: &str) -> Response {
    ([POLICY], Html(page.to_owned())).into_response()
}

/// The files are compressed in the binary, and sent as they are: every browser takes gzip.
fn swagger_file(name: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let encoding = file
                .gzpipped
                .then_some([(header::CONTENT_ENCODING, "gzip")]);
            let headers = [(header::CONTENT_TYPE, file.content_type)];
            (headers, encoding, file.bytes.into_owned()).into_response()
        }
        Ok(None) => Error::NotFound.into_response(),
        Err(error) => Error::internal(error.to_string()).into_response(),
    }
}

/// Adds to every operation the problems that the layers around it can respond with, and an
/// example to every problem; `others` are those of routes, by their code.
pub fn document_common_problems(openapi: &mut OpenApi, others: Vec<(String, Value)>) {
    let common = Error::examples().map(|error| {
        let problem = error.problem();
        (problem.code.clone(), json!(problem))
    });
    let examples: Vec<_> = common.chain(others).collect();
    for item in openapi.paths.paths.values_mut() {
        let operations = [
            (HttpMethod::Get, &mut item.get),
            (HttpMethod::Post, &mut item.post),
            (HttpMethod::Put, &mut item.put),
            (HttpMethod::Patch, &mut item.patch),
            (HttpMethod::Delete, &mut item.delete),
        ];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            if operation.request_body.is_some() {
                add_problem(operation, &Error::MalformedJson("expected value".into()));
                add_problem(operation, &Error::Status(StatusCode::REQUEST_TIMEOUT));
                add_problem(operation, &Error::Status(StatusCode::PAYLOAD_TOO_LARGE));
                add_problem(operation, &Error::UnsupportedMediaType);
                add_problem(operation, &Error::invalid("title", "is required"));
            }
            if !matches!(method, HttpMethod::Get) {
                add_problem(operation, &Error::CrossSite);
            }
            add_problem(operation, &Error::internal("a bug"));
            add_problem(operation, &Error::Unavailable(None));
            operation
                .responses
                .responses
                .values_mut()
                .for_each(|response| add_examples(response, &examples));
        }
    }
}

/// Describes `error` as a response of the operation.
fn add_problem(operation: &mut Operation, error: &Error) {
    let problem = error.problem();
    let description = format!("`{}`: {}", problem.code, problem.detail);
    let response = RefOr::T(
        ResponseBuilder::new()
            .description("")
            .content(
                Problem::MEDIA_TYPE,
                ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name("Problem")))
                    .build(),
            )
            .build(),
    );
    let status = problem.status.to_string();
    let response = operation
        .responses
        .responses
        .entry(status)
        .or_insert(response);
    if let RefOr::T(response) = response {
        if matches!(error, Error::Unavailable(_)) {
            response
                .headers
                .entry("Retry-After".to_owned())
                .or_insert_with(|| RefOr::T(retry_after()));
        }
        let text = format!("{}\n\n{description}", response.description);
        response.description = text.trim().to_owned();
    }
}

fn retry_after() -> Header {
    let mut header = Header::new(Object::with_type(Type::Integer));
    header.description = Some("Seconds to wait".to_owned());
    header
}

/// Adds an example for each problem whose code the description names.
fn add_examples(response: &mut RefOr<ApiResponse>, examples: &[(String, Value)]) {
    let RefOr::T(response) = response else { return };
    let Some(RefOr::T(content)) = response.content.get_mut(Problem::MEDIA_TYPE) else {
        return;
    };
    for (code, problem) in examples {
        if response.description.contains(&format!("`{code}`")) {
            let example = ExampleBuilder::new().value(Some(problem.clone())).build();
            content.examples.insert(code.clone(), RefOr::T(example));
        }
    }
}
