//! The news' route table.

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    comments,
    posts::{read, write},
    settings::Settings,
    state::News,
    votes,
};
use crate::auth::Auth;

/// The news' routes with their description.
pub fn documented_router(auth: &Auth, settings: &Settings) -> OpenApiRouter {
    let routes = OpenApiRouter::new()
        .routes(routes!(read::list_posts, write::add_post))
        .routes(routes!(
            read::show_post,
            write::change_post,
            write::delete_post
        ))
        .routes(routes!(votes::routes::vote, votes::routes::take_vote_back))
        .routes(routes!(comments::routes::add_comment))
        .routes(routes!(comments::routes::delete_comment))
        .with_state(News::new(auth, settings));
    routes.layer(auth.layer())
}
