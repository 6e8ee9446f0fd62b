//! Login sessions for single-page apps.
//!
//! The binary serves an API (`/signup`, `/login`, `/checklogin`, `/logout`) on SQLite or
//! PostgreSQL. The library puts the same into an axum app of your own:
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use handstamp::{Auth, CurrentUser, Db, auth::Secret};
//!
//! # async fn app(key: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let db = Db::connect(&"sqlite://app.db".parse()?).await?;
//! db.migrate().await?;
//! let auth = Auth::builder(db).secret_key(Secret::signing_key(key)?).build()?;
//!
//! let hello = get(async |CurrentUser(user)| format!("Hello, {}", user.username));
//! let app = Router::new()
//!     .route("/hello", hello)
//!     .layer(auth.layer())
//!     .nest("/api/auth", auth.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
compile_error!("handstamp needs one of its features `sqlite` and `postgres`");

/// Compiles the Rust blocks of the pages.
#[cfg(all(doctest, feature = "sqlite"))]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/mail.md")]
    struct Mail;
    #[doc = include_str!("../docs/library.md")]
    struct Library;
}

pub mod auth;
pub mod clock;
pub mod db;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod mail;
#[cfg(feature = "server")]
pub mod news;
#[cfg(feature = "server")]
pub mod server;

pub use auth::{Auth, CurrentUser, RecentlyAuthenticated, Session};
pub use clock::Clock;
pub use db::Db;
pub use http::Error;
