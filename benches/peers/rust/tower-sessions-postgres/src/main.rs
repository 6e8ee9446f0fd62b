//! The obvious way with axum: tower-sessions on tower-sessions-sqlx-store, as the store's
//! README has it, and the user fetched through sqlx. A session row and a user row on every
//! request. On PostgreSQL; else as `tower-sessions`.

use std::{env, error::Error};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use tokio::net::TcpListener;
use tower_sessions::{ExpiredDeletion, Expiry, Session, SessionManagerLayer};
use tower_sessions_sqlx_store::PostgresStore;

type Answer<T> = Result<Json<T>, (StatusCode, Json<Value>)>;

#[derive(Deserialize)]
struct LogIn {
    username: String,
}

#[derive(Serialize, sqlx::FromRow)]
struct User {
    id: i64,
    username: String,
    created_at: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&env::var("DATABASE_URL")?).await?;
    sqlx::raw_sql(
        "create table if not exists users (
             id bigint generated always as identity primary key,
             username text not null unique,
             created_at text not null
         );
         insert into users (username, created_at)
         values ('Jackson', to_char(now() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))
         on conflict do nothing;",
    )
    .execute(&pool)
    .await?;

    let store = PostgresStore::new(pool.clone());
    store.migrate().await?;
    let _deletion = tokio::spawn(
        store
            .clone()
            .continuously_delete_expired(tokio::time::Duration::from_secs(60)),
    );
    let sessions = SessionManagerLayer::new(store)
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(Duration::days(14)));

    let app = Router::new()
        .route("/login", post(log_in))
        .route("/checklogin", get(check_login))
        .route("/logout", delete(log_out))
        .layer(sessions)
        .with_state(pool);
    let address = format!("127.0.0.1:{}", env::var("PORT")?);
    axum::serve(TcpListener::bind(address).await?, app).await?;
    Ok(())
}

async fn log_in(
    State(pool): State<PgPool>,
    session: Session,
    Json(body): Json<LogIn>,
) -> Answer<User> {
    let user = find_user(&pool, &body.username).await.map_err(internal)?;
    let user = user.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "Unknown user"))?;
    // Against session fixation.
    session.cycle_id().await.map_err(internal)?;
    session
        .insert("username", &user.username)
        .await
        .map_err(internal)?;
    Ok(Json(user))
}

async fn check_login(State(pool): State<PgPool>, session: Session) -> Answer<User> {
    let username: Option<String> = session.get("username").await.map_err(internal)?;
    let user = match username {
        Some(username) => find_user(&pool, &username).await.map_err(internal)?,
        None => None,
    };
    user.map(Json)
        .ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "Not logged in"))
}

async fn log_out(session: Session) -> Answer<Value> {
    session.flush().await.map_err(internal)?;
    Ok(Json(json!({})))
}

async fn find_user(pool: &PgPool, username: &str) -> sqlx::Result<Option<User>> {
    sqlx::query_as("select id, username, created_at from users where username = $1")
        .bind(username)
        .fetch_optional(pool)
        .await
}

fn refused(status: StatusCode, error: &str) -> (StatusCode, Json<Value>) {
    (status, Json(json!({ "error": error })))
}

fn internal(error: impl Error) -> (StatusCode, Json<Value>) {
    eprintln!("{error}");
    refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
}
