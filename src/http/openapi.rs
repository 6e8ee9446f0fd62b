//! `/openapi.json`, written from the code, and `/docs` to browse it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use utoipa::openapi::{
    ContentBuilder, HttpMethod, OpenApi, Ref, RefOr, Response as ApiResponse, ResponseBuilder,
    path::Operation,
};
use utoipa_swagger_ui::Config;

use super::{Error, Problem};

const OPENAPI_PATH: &str = "/openapi.json";

/// Serves the description and its page, both from memory.
pub fn docs_router(openapi: OpenApi) -> Router {
    let swagger_ui = Arc::new(Config::from(OPENAPI_PATH));
    let index = swagger_ui.clone();
    Router::new()
        .route(OPENAPI_PATH, get(async move || Json(openapi)))
        .route(
            "/docs",
            get(async move || swagger_file("index.html", index)),
        )
        .route(
            "/docs/{*file}",
            get(async move |Path(file): Path<String>| swagger_file(&file, swagger_ui)),
        )
}

fn swagger_file(name: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(name, config) {
        // The page names its files relative to `/docs/`; it is served at `/docs`.
        Ok(Some(file)) if name == "index.html" => {
            let page = String::from_utf8_lossy(&file.bytes).replace("\"./", "\"/docs/");
            let page = page.replace("href=\"index.css\"", "href=\"/docs/index.css\"");
            ([(header::CONTENT_TYPE, file.content_type)], page).into_response()
        }
        Ok(Some(file)) => (
            [(header::CONTENT_TYPE, file.content_type)],
            file.bytes.into_owned(),
        )
            .into_response(),
        Ok(None) => Error::NotFound.into_response(),
        Err(error) => Error::internal(error).into_response(),
    }
}

/// Adds to every operation the problems that the layers around it can answer.
pub fn document_common_problems(openapi: &mut OpenApi) {
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
                add_problem(operation, &Error::UnsupportedMediaType);
                add_problem(operation, &Error::invalid("username", "is required"));
            }
            if !matches!(method, HttpMethod::Get) {
                add_problem(operation, &Error::CrossSite);
            }
            add_problem(
                operation,
                &Error::Status(axum::http::StatusCode::PAYLOAD_TOO_LARGE),
            );
            add_problem(operation, &Error::Internal);
            add_problem(operation, &Error::Unavailable);
        }
    }
}

/// Documents `error` unless the operation already describes this status itself.
fn add_problem(operation: &mut Operation, error: &Error) {
    let problem = error.problem();
    let description = format!("`{}`: {}", problem.code, problem.detail);
    match operation
        .responses
        .responses
        .get_mut(&problem.status.to_string())
    {
        Some(RefOr::T(response)) => {
            if !response
                .description
                .contains(&format!("`{}`", problem.code))
            {
                response.description = format!("{}\n\n{description}", response.description);
            }
        }
        Some(RefOr::Ref(_)) => {}
        None => {
            let status = problem.status.to_string();
            operation
                .responses
                .responses
                .insert(status, problem_response(&problem, description));
        }
    }
}

fn problem_response(problem: &Problem, description: String) -> RefOr<ApiResponse> {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(Some(json!(problem)));
    RefOr::T(
        ResponseBuilder::new()
            .description(description)
            .content(Problem::MEDIA_TYPE, content.build())
            .build(),
    )
}
