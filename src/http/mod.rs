//! HTTP as this project speaks it: one error type, the extractors, the layers.

mod around;
mod client;
mod error;
mod head_timer;
mod health;
mod host;
mod http_service;
mod json_body;
mod layers;
mod open_files;
mod openapi;
mod origin;
mod path_id;
pub mod problem_responses;
mod query_string;
mod request_id;
mod room;
mod serve;

pub use around::BODY_LIMIT;
pub use client::{Client, client_ip, is_https};
pub use error::{Error, FieldErrors, Problem};
pub use health::Health;
pub use http_service::HttpService;
pub use json_body::JsonBody;
pub use layers::with_layers;
pub use open_files::{TooFewOpenFiles, raise_open_files};
pub use openapi::{docs_router, document_common_problems};
pub use path_id::{OneId, PathIds};
pub use query_string::QueryString;
pub use serve::serve;
