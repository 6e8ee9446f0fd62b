//! actix-web with actix-session's cookie store, as their documentation has it: the session
//! travels encrypted in the cookie; the user is fetched through sqlx on every request.

use std::{env, error::Error};

use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{
    App, HttpResponse, HttpServer,
    cookie::Key,
    delete, error, get, post,
    web::{Data, Json},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

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

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = format!("{}/users.db", env::var("DATA_DIR")?);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::raw_sql(
        "create table if not exists users (
             id integer primary key,
             username text not null unique,
             created_at text not null
         );
         insert or ignore into users (username, created_at)
         values ('Jackson', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));",
    )
    .execute(&pool)
    .await?;

    let key = Key::derive_from(env::var("SECRET_KEY")?.as_bytes());
    let port = env::var("PORT")?.parse()?;
    HttpServer::new(move || {
        let sessions = SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
            .cookie_secure(false)
            .build();
        App::new()
            .app_data(Data::new(pool.clone()))
            .wrap(sessions)
            .service(log_in)
            .service(check_login)
            .service(log_out)
    })
    .bind(("127.0.0.1", port))?
    .run()
    .await?;
    Ok(())
}

#[post("/login")]
async fn log_in(
    pool: Data<SqlitePool>,
    session: Session,
    body: Json<LogIn>,
) -> actix_web::Result<HttpResponse> {
    let Some(user) = find_user(&pool, &body.username).await? else {
        return Ok(HttpResponse::BadRequest().json(json!({ "error": "Unknown user" })));
    };
    // Against session fixation.
    session.renew();
    session.insert("username", &user.username)?;
    Ok(HttpResponse::Ok().json(user))
}

#[get("/checklogin")]
async fn check_login(pool: Data<SqlitePool>, session: Session) -> actix_web::Result<HttpResponse> {
    let user = match session.get::<String>("username")? {
        Some(username) => find_user(&pool, &username).await?,
        None => None,
    };
    Ok(match user {
        Some(user) => HttpResponse::Ok().json(user),
        None => HttpResponse::Unauthorized().json(json!({ "error": "Not logged in" })),
    })
}

#[delete("/logout")]
async fn log_out(session: Session) -> HttpResponse {
    session.purge();
    HttpResponse::Ok().json(json!({}))
}

async fn find_user(pool: &SqlitePool, username: &str) -> actix_web::Result<Option<User>> {
    sqlx::query_as("select id, username, created_at from users where username = $1")
        .bind(username)
        .fetch_optional(pool)
        .await
        .map_err(error::ErrorInternalServerError)
}
