//! Just Tech News: posts, comments, votes and a paywall, the app that shows the auth at work.

mod comments;
mod demo;
mod error;
mod fields;
mod meter;
mod migrations;
mod posts;
mod preview;
mod routes;
mod settings;
mod state;
mod votes;

pub use demo::{Loaded, load_demo};
pub(crate) use error::Error;
pub use migrations::migrate;
pub(crate) use migrations::{TABLES, is_installed, migrate_own, pending};
pub use routes::documented_router;
pub use settings::Settings;

#[doc(hidden)]
pub use queries::QUERIES;

/// The most frequent queries, for a test of their plans.
mod queries {
    use super::{comments, meter, posts};

    /// Each with its name.
    pub const QUERIES: &[(&str, &str)] = &[
        ("posts, newest first", posts::store::LIST),
        ("posts of an author", posts::store::LIST_BY_AUTHOR),
        ("one post", posts::store::FIND),
        ("comments of a post", comments::store::LIST),
        ("opened by a visitor", meter::store::COUNT),
    ];
}
