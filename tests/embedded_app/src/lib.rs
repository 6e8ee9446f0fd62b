//! An app as somebody else writes it on top of handstamp: its own tables, errors and state.

use axum::{
    Json, Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use handstamp::{
    Auth, CurrentUser, Db,
    auth::{AuthBuilder, RequestSession, Secret, SessionEvents},
};
use serde_json::json;
use sqlx::{PgPool, SqlitePool, migrate::MigrateError, sqlite::SqliteConnectOptions};

/// The app's own pool.
#[derive(Clone, Debug)]
pub enum Pool {
    /// A file.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

impl Pool {
    /// Connects to `sqlite://…` or `postgres://…`.
    pub async fn connect(url: &str) -> sqlx::Result<Self> {
        Ok(if url.starts_with("sqlite:") {
            let file = url.parse::<SqliteConnectOptions>()?.create_if_missing(true);
            Self::Sqlite(SqlitePool::connect_with(file).await?)
        } else {
            Self::Postgres(PgPool::connect(url).await?)
        })
    }

    /// Applies the app's own migrations.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let migrations = sqlx::migrate!();
        match self {
            Self::Sqlite(pool) => migrations.run(pool).await,
            Self::Postgres(pool) => migrations.run(pool).await,
        }
    }

    /// The library on the same database.
    pub async fn handstamp(&self) -> sqlx::Result<Db> {
        match self {
            Self::Sqlite(pool) => Db::from_sqlite(pool).await,
            Self::Postgres(pool) => Db::from_postgres(pool).await,
        }
    }

    async fn motto(&self, user: &CurrentUser) -> sqlx::Result<Option<String>> {
        let select = "select motto from profiles where user_id = $1";
        let id = user.0.id;
        match self {
            Self::Sqlite(pool) => {
                sqlx::query_scalar(select)
                    .bind(id)
                    .fetch_optional(pool)
                    .await
            }
            Self::Postgres(pool) => {
                sqlx::query_scalar(select)
                    .bind(id)
                    .fetch_optional(pool)
                    .await
            }
        }
    }
}

/// The app's own errors, in a form of its own.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("wrong code")]
    WrongCode,
    #[error("I am a teapot")]
    Teapot,
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Auth(#[from] handstamp::Error),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self {
            Self::WrongCode => StatusCode::FORBIDDEN,
            Self::Teapot => StatusCode::IM_A_TEAPOT,
            Self::Sql(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Auth(error) => return error.into_response(),
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct App {
    pub auth: Auth,
    pub pool: Pool,
}

/// Accounts whose sign-up writes a profile.
pub fn auth(db: Db) -> AuthBuilder {
    let key = Secret::signing_key("a key of the embedding app, long enough and its own");
    let builder = Auth::builder(db).secure_cookies(false);
    let builder = match key {
        Ok(key) => builder.secret_key(key),
        Err(_) => builder,
    };
    builder.on_sign_up(|tx, user| {
        Box::pin(async move {
            let insert = "insert into profiles (user_id, motto) values ($1, $2)";
            let motto = format!("{} was here", user.username);
            if let Some(conn) = tx.sqlite() {
                sqlx::query(insert)
                    .bind(user.id)
                    .bind(motto)
                    .execute(conn)
                    .await?;
            } else if let Some(conn) = tx.postgres() {
                sqlx::query(insert)
                    .bind(user.id)
                    .bind(motto)
                    .execute(conn)
                    .await?;
            }
            Ok(())
        })
    })
}

/// The routes, with handstamp's under `/api/auth`.
pub fn router(app: &App) -> Router {
    let auth = &app.auth;
    let admin = Router::new()
        .route("/api/admin", get(async || "welcome"))
        .layer(auth.require(|user| user.username == "admin"));
    Router::new()
        .route("/api/me", get(me))
        .route("/api/code/{name}/{code}", post(log_in_with_code))
        .route("/api/name/{name}", post(rename))
        .route("/api/leave", post(leave))
        .route("/api/teapot", get(async || Error::Teapot))
        .route("/ws", get(chat))
        .merge(admin)
        .layer(auth.layer())
        .with_state(app.clone())
        .nest("/api/auth", auth.router())
}

async fn me(State(app): State<App>, user: CurrentUser) -> Result<Json<serde_json::Value>, Error> {
    let motto = app.pool.motto(&user).await?;
    Ok(Json(json!({"name": user.0.username, "motto": motto})))
}

async fn log_in_with_code(
    State(app): State<App>,
    Path((name, code)): Path<(String, String)>,
    session: RequestSession,
) -> Result<(), Error> {
    let account = app.auth.accounts().find_by_username(&name).await?;
    match account {
        Some(account) if code == "open-sesame" => {
            Ok(app.auth.log_in(&session, &account.user).await?)
        }
        _ => Err(Error::WrongCode),
    }
}

async fn rename(
    State(app): State<App>,
    CurrentUser(user): CurrentUser,
    Path(name): Path<String>,
) -> Result<String, Error> {
    Ok(app
        .auth
        .accounts()
        .change_username(&user, &name)
        .await?
        .username)
}

async fn leave(State(app): State<App>, CurrentUser(user): CurrentUser) -> Result<(), Error> {
    Ok(app.auth.accounts().delete(&user).await?)
}

async fn chat(
    CurrentUser(user): CurrentUser,
    mut session: SessionEvents,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        loop {
            let message = tokio::select! {
                message = socket.recv() => message,
                _ = session.ended() => {
                    let _ = socket.send(Message::Close(None)).await;
                    return;
                }
            };
            let Some(Ok(message)) = message else { return };
            let Ok(text) = message.to_text() else { return };
            let echo = format!("{}: {text}", user.username);
            if socket.send(echo.into()).await.is_err() {
                return;
            }
        }
    })
}
