//! Login sessions for single-page apps.
//!
//! The binary serves an API (`/signup`, `/login`, `/checklogin`, `/logout`) on SQLite or
//! PostgreSQL. The library puts the same into an axum app of your own:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use handstamp::{Config, Db, gate::{CurrentUser, Gate}, http::{HttpService, with_layers}};
//!
//! # async fn app() -> Result<impl HttpService, Box<dyn std::error::Error>> {
//! let config = Config::from_env()?;
//! let db = Db::connect(&config.database_url).await?;
//! db.migrate().await?;
//! let gate = Gate::new(&config, db)?;
//!
//! let hello = get(async |CurrentUser(user)| format!("Hello, {}", user.username));
//! let app = gate.protect(Router::new().route("/hello", hello)).merge(gate.router());
//! # Ok(
//! with_layers(app, &config)?
//! # )
//! # }
//! ```

pub mod app;
pub mod clock;
pub mod config;
pub mod db;
#[cfg(test)]
mod fuzz;
pub mod gate;
pub mod http;
pub mod news;
mod pages;

pub use clock::Clock;
pub use config::Config;
pub use db::Db;
