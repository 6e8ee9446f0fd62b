//! Where the database is.

use std::{fmt, str::FromStr};

use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

/// `DATABASE_URL`, read. Shows neither password nor parameters in `Debug`.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// `sqlite://FILE`
    Sqlite(SqliteConnectOptions),
    /// `postgres://USER:PASSWORD@HOST/DATABASE`
    Postgres(PgConnectOptions),
}

impl Default for DatabaseUrl {
    /// `sqlite://handstamp.db`, in the working directory.
    fn default() -> Self {
        Self::Sqlite(SqliteConnectOptions::new().filename("handstamp.db"))
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    /// Reads the address; the error says what is wrong without repeating it, since it
    /// may hold a password.
    fn from_str(url: &str) -> Result<Self, String> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "sqlite" if url.contains(":memory:") || url.contains("mode=memory") => {
                Err("must name a file: a database in memory is lost with its connection".into())
            }
            "sqlite"
                if url
                    .trim_start_matches("sqlite:")
                    .trim_matches('/')
                    .is_empty() =>
            {
                Err("must name a file, as in sqlite://handstamp.db".into())
            }
            "sqlite" => url
                .parse()
                .map(Self::Sqlite)
                .map_err(|_| "must be sqlite://FILE, without unknown parameters".into()),
            "postgres" | "postgresql" => match url.parse::<PgConnectOptions>() {
                Ok(server) if !is_misread(&server) => Ok(Self::Postgres(server)),
                _ => Err("must be postgres://USER:PASSWORD@HOST:PORT/DATABASE".into()),
            },
            _ => Err("must start with sqlite:// or postgres://".into()),
        }
    }
}

/// Whether user and password were taken for a part of the database's name, which is shown: one
/// slash too few, or too many, is enough.
fn is_misread(server: &PgConnectOptions) -> bool {
    server
        .get_database()
        .is_some_and(|name| name.contains([':', '@', '/']))
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.get_filename().display()),
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

#[cfg(test)]
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
            let reason = broken.parse::<DatabaseUrl>().unwrap_err();
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
