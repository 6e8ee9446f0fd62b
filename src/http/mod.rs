//! HTTP: one error type, the extractors, the layers, the accept loop.

mod client;
mod error;
mod extract;
mod host;
mod layers;
mod origin;
mod problem;
pub mod problem_responses;
mod request_id;
mod run_to_completion;
mod serve;
mod trailing_slash;

pub use client::{Client, client_ip, is_https};
#[cfg(feature = "server")]
pub(crate) use client::{is_private, parse_hop};
pub use error::Error;
#[cfg(feature = "server")]
pub(crate) use extract::QueryString;
pub use extract::{JsonBody, OneId, PathIds};
pub(crate) use layers::CrossSite;
pub use layers::{BODY_LIMIT, Layers};
pub use problem::{FieldErrors, Problem, problem_response};
pub(crate) use serve::max_event_streams;
#[cfg(feature = "server")]
pub(crate) use serve::serve_few;
pub use serve::{HttpService, Shutdown, TooFewOpenFiles, raise_open_files, serve, serve_until};

pub(crate) use request_id::without_span;
pub(crate) use run_to_completion::run_to_completion;
pub(crate) use trailing_slash::{TrailingSlash, trim_trailing_slash};
