//! Bare axum: the same answer to everybody, no session, no database, no layers. What the
//! others are measured against.

use std::{env, error::Error};

use axum::{Json, Router, routing::get};
use serde::Serialize;
use tokio::net::TcpListener;

#[derive(Serialize)]
struct User {
    id: &'static str,
    username: &'static str,
    email: Option<&'static str>,
    created_at: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new().route("/checklogin", get(check_login));
    let address = format!("127.0.0.1:{}", env::var("PORT")?);
    axum::serve(TcpListener::bind(address).await?, app).await?;
    Ok(())
}

/// As many bytes as handstamp's answer.
async fn check_login() -> Json<User> {
    Json(User {
        id: "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60",
        username: "user000001",
        email: None,
        created_at: "2026-01-01T00:00:00.000000Z",
    })
}
