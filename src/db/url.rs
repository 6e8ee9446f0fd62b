//! The URL of the database.

use std::{fmt, str::FromStr};

#[cfg(feature = "postgres")]
use sqlx::postgres::PgConnectOptions;
#[cfg(feature = "sqlite")]
use sqlx::sqlite::SqliteConnectOptions;
use thiserror::Error;

/// A parsed `DATABASE_URL`. `Debug` shows neither the password nor parameters.
#[derive(Clone)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// `sqlite://FILE`
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnectOptions),
    /// `postgres://USER:PASSWORD@HOST/DATABASE`
    #[cfg(feature = "postgres")]
    Postgres(PgConnectOptions),
}

/// What is wrong with a URL, which is not repeated, since it may hold a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// SQLite without a file.
    #[error("must name a file, as in sqlite://handstamp.db")]
    NoFile,
    /// SQLite in memory.
    #[error("must name a file: a database in memory is lost with its connection")]
    InMemory,
    /// SQLite with an unknown parameter.
    #[error("must be sqlite://FILE, without unknown parameters")]
    NotSqlite,
    /// Not the URL of a PostgreSQL server.
    #[error("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
    NotPostgres,
    /// Another scheme.
    #[error("must start with sqlite:// or postgres://")]
    UnknownScheme,
    /// A database whose Cargo feature is off.
    #[error("needs handstamp's Cargo feature `{0}`")]
    NotBuiltIn(&'static str),
}

#[cfg(feature = "sqlite")]
impl Default for DatabaseUrl {
    /// `sqlite://handstamp.db`, in the working directory.
    fn default() -> Self {
        Self::Sqlite(SqliteConnectOptions::new().filename("handstamp.db"))
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, DatabaseUrlError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "sqlite" => sqlite(url),
            "postgres" | "postgresql" => postgres(url),
            _ => Err(DatabaseUrlError::UnknownScheme),
        }
    }
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(DatabaseUrlError::InMemory);
    }
    let file = url.trim_start_matches("sqlite:").trim_matches('/');
    if file.is_empty() {
        return Err(DatabaseUrlError::NoFile);
    }
    let file = url.parse().map(DatabaseUrl::Sqlite);
    file.map_err(|_| DatabaseUrlError::NotSqlite)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    Err(DatabaseUrlError::NotBuiltIn("sqlite"))
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    match url.parse::<PgConnectOptions>() {
        Ok(server) if !is_misread(&server) => Ok(DatabaseUrl::Postgres(server)),
        _ => Err(DatabaseUrlError::NotPostgres),
    }
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
    Err(DatabaseUrlError::NotBuiltIn("postgres"))
}

/// Whether user and password were taken for a part of the database's name, which is shown: one
/// slash too few, or too many, is enough.
#[cfg(feature = "postgres")]
fn is_misread(server: &PgConnectOptions) -> bool {
    server
        .get_database()
        .is_some_and(|name| name.contains([':', '@', '/']))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.get_filename().display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(server) => write!(
                f,
                "postgres://{}:{}/{}",
                server.get_host(),
                server.get_port(),
                server.get_database().unwrap_or_default()
            ),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(all(test, feature = "sqlite", feature = "postgres"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_an_error_shows_the_password() {
        let url: DatabaseUrl = "postgres://ann:hunter2@db.example:5433/news"
            .parse()
            .unwrap();
        assert_eq!(
            format!("{url:?}"),
            "DatabaseUrl(postgres://db.example:5433/news)"
        );
        for broken in [
            "mysql://ann:hunter2@db/news",
            "postgres://ann:hunter2@:x/news",
            "postgres:/ann:hunter2@db/news",
            "postgres:ann:hunter2@db/news",
            "postgres:///ann:hunter2@db/news",
        ] {
            let reason = broken.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    #[test]
    fn sqlite_wants_a_file() {
        for broken in ["sqlite::memory:", "sqlite://", "sqlite:"] {
            assert!(broken.parse::<DatabaseUrl>().is_err(), "{broken}");
        }
        assert!("sqlite://a/b.db".parse::<DatabaseUrl>().is_ok());
    }
}
