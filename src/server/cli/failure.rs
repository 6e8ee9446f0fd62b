//! How a command fails.

use std::{fmt, process::ExitCode};

use crate::{http::Error, server::settings::ConfigError};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Something typed or configured is wrong: exit status 2, a line for each mistake.
    Mistakes(Vec<String>),
    /// Anything else: exit status 1.
    Other(String),
    /// What was already said: exit status 1.
    Told,
}

impl Failure {
    /// Any failure that is not the user's mistake.
    pub fn other(what: impl fmt::Display) -> Self {
        Self::Other(what.to_string())
    }

    /// The same failure in other words.
    pub fn map(self, words: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Mistakes(mistakes) => {
                Self::Mistakes(mistakes.iter().map(|mistake| words(mistake)).collect())
            }
            Self::Other(what) => Self::Other(words(&what)),
            Self::Told => Self::Told,
        }
    }

    /// The database's own error, for an operator who can fix it.
    fn of_database(error: &sqlx::Error) -> Self {
        tracing::info!(?error, "the database failed");
        Self::Other(match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut => {
                format!("the database is unavailable: {error}")
            }
            _ => format!("the database failed: {error}"),
        })
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Mistakes(_) => ExitCode::from(2),
            Self::Other(_) | Self::Told => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mistakes(mistakes) => f.write_str(&mistakes.join("\n")),
            Self::Other(what) => f.write_str(what),
            Self::Told => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Mistakes(error.0)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(fields) => Self::Mistakes(
                fields
                    .iter()
                    .flat_map(|(field, what)| {
                        what.iter().map(move |what| format!("{field}: {what}"))
                    })
                    .collect(),
            ),
            Error::Unavailable(Some(source)) => Self::of_database(&source),
            Error::Internal(source) => {
                tracing::info!(error = ?source, "the command failed");
                match source.downcast_ref::<sqlx::Error>() {
                    Some(source) => Self::of_database(source),
                    None => Self::other(source),
                }
            }
            other => Self::Other(other.problem().detail),
        }
    }
}
