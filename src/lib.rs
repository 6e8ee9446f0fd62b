//! Login sessions for single-page apps.
//!
//! The binary serves an API (`/signup`, `/login`, `/checklogin`, `/logout`) on SQLite or
//! PostgreSQL. The library puts the same into an axum app of your own:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use handstamp::{Config, Db, auth::{CurrentUser, Auth}, http::{HttpService, with_layers}};
//!
//! # async fn app() -> Result<impl HttpService, Box<dyn std::error::Error>> {
//! let config = Config::from_env()?;
//! let db = Db::connect(&config.database_url).await?;
//! db.migrate().await?;
//! let auth = Auth::new(&config, db)?;
//!
//! let hello = get(async |CurrentUser(user)| format!("Hello, {}", user.username));
//! let app = auth.protect(Router::new().route("/hello", hello)).merge(auth.router());
//! # Ok(
//! with_layers(app, &config)?
//! # )
//! # }
//! ```

pub mod auth;
pub mod clock;
pub mod db;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod news;
pub mod server;

pub use auth::Auth;
pub use clock::Clock;
pub use db::Db;
