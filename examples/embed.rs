//! handstamp in an axum app of your own: its routes beside two of yours that know the user.
//! Run it with `SECRET_KEY=$(cargo run -q -- secret) cargo run --example embed`.

use std::time::Duration;

use axum::{Router, routing::get};
use handstamp::{
    Auth, CurrentUser, Db, Error, Session,
    auth::{Secret, keep_purging},
    http::{Layers, serve},
};

/// For users; visitors get a 401 with the reason.
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

/// Your routes with a session, and the routes of handstamp.
pub fn app(auth: &Auth) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/secret", get(secret))
        .layer(auth.layer())
        .merge(auth.routes())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the example says where it listens")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let db = Db::connect(&"sqlite://embed.db".parse()?).await?;
    db.migrate().await?;
    let auth = Auth::builder(db)
        .secret_key(Secret::signing_key(&std::env::var("SECRET_KEY")?)?)
        .secure_cookies(false) // plain http, for development only
        .build()?;
    let app = Layers::new().wrap(app(&auth))?;
    tokio::spawn(keep_purging(auth, Duration::from_secs(60)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, std::future::pending()).await;
    Ok(())
}
