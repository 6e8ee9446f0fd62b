//! Extractors whose rejections are problems (RFC 9457).

mod json_body;
mod path_id;
#[cfg(feature = "server")]
mod query_string;

pub use json_body::JsonBody;
pub use path_id::{OneId, PathIds};
#[cfg(feature = "server")]
pub(crate) use query_string::QueryString;
