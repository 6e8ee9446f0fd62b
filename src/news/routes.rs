//! The news' route table.

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{comment_routes, post_routes, settings::Settings, state::News, vote_routes};
use crate::auth::Auth;

/// The news' routes with their description.
pub fn documented_router(auth: &Auth, settings: &Settings) -> OpenApiRouter {
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
        .with_state(News::new(auth, settings));
    routes.layer(auth.layer())
}
