//! What the news' handlers share, and their route table.

use std::sync::Arc;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{comment_routes, meter::Meter, post_routes, vote_routes};
use crate::{clock::Timestamp, config::Config, db::Db, gate::Gate};

/// The news on the gate's database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct News(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    gate: Gate,
    meter: Option<Meter>,
}

impl News {
    pub fn db(&self) -> &Db {
        self.0.gate.db()
    }

    pub fn now(&self) -> Timestamp {
        self.0.gate.now()
    }

    /// None where reading is free.
    pub fn meter(&self) -> Option<&Meter> {
        self.0.meter.as_ref()
    }
}

/// The news' routes with their description.
pub fn documented_router(gate: &Gate, config: &Config) -> OpenApiRouter {
    let meter = config.free_reads.map(|limit| Meter {
        limit,
        window: config.free_reads_window,
    });
    let routes = OpenApiRouter::new()
        .routes(routes!(post_routes::list_posts, post_routes::add_post))
        .routes(routes!(
            post_routes::show_post,
            post_routes::change_post,
            post_routes::delete_post
        ))
        .routes(routes!(vote_routes::vote, vote_routes::take_vote_back))
        .routes(routes!(comment_routes::add_comment))
        .routes(routes!(comment_routes::delete_comment))
        .with_state(News(Arc::new(Parts {
            gate: gate.clone(),
            meter,
        })));
    gate.protect_documented(routes)
}
