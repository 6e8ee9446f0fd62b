//! handstamp in an axum app of your own: its routes beside two that know who asks.
//! Run it where a `.env` has a SECRET_KEY: `cargo run --example embed`.

use std::time::Duration;

use axum::{Router, routing::get};
use handstamp::{
    Db,
    auth::{Auth, CurrentUser, Session, keep_purging},
    http::{Error, serve, with_layers},
    server::Config,
};

/// For those who are logged in; visitors are answered 401 with the reason.
async fn secret(CurrentUser(user): CurrentUser) -> String {
    format!("The secret is safe with {}.", user.username)
}

/// For everybody. The session keeps the count, a visitor's too.
async fn home(user: Option<CurrentUser>, session: Session) -> Result<String, Error> {
    let views = session.get::<u32>("views").await?.unwrap_or_default() + 1;
    session.insert("views", views).await?;
    let name = user.map_or("stranger".to_owned(), |CurrentUser(user)| user.username);
    Ok(format!("Hello {name}, page view {views}."))
}

/// Your routes behind the auth, and the auth's own.
pub fn app(auth: &Auth) -> Router {
    let routes = Router::new()
        .route("/", get(home))
        .route("/secret", get(secret));
    auth.protect(routes).merge(auth.router())
}

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let db = Db::connect(&config.database_url).await?;
    db.migrate().await?;
    let auth = Auth::new(&config, db)?;
    let app = with_layers(app(&auth), &config)?;
    tokio::spawn(keep_purging(auth, Duration::from_secs(60)));
    let listener = tokio::net::TcpListener::bind((config.host, config.port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, std::future::pending()).await;
    Ok(())
}
