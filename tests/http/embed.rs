//! The example, as somebody would run it.

#[path = "../../examples/embed.rs"]
#[allow(dead_code)]
mod example;

pub use example::app;

use crate::helpers::{Kind, Server, on_both_databases};

on_both_databases!(the_example_counts_views_and_knows_who_asks);

async fn the_example_counts_views_and_knows_who_asks(kind: Kind) {
    let server = Server::start_app(kind, &[], |gate| app(&gate)).await;
    let browser = server.browser();
    assert_eq!(browser.get("/secret").await.reason(), "no_cookie");
    assert_eq!(server.database.count("sessions").await, 0, "asking makes no row");

    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 1.");
    let answer = browser.get("/").await;
    assert_eq!(answer.text, "Hello stranger, page view 2.");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(server.database.count("sessions").await, 1);
    assert_eq!(browser.get("/secret").await.reason(), "unknown_session");

    browser.sign_up("Ann").await;
    assert_eq!(browser.get("/secret").await.text, "The secret is safe with Ann.");
    assert_eq!(browser.get("/").await.text, "Hello Ann, page view 1.", "sign-up clears");
    browser.log_out().await;
    assert_eq!(browser.get("/").await.text, "Hello stranger, page view 1.");
}
