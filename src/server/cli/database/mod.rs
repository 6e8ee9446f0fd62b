//! The database of a command, and the commands for the whole of it.

mod backup;
mod files;
mod move_database;
mod restore;

pub(super) use self::{backup::backup, move_database::move_database, restore::restore};

use std::{fs, io, path::absolute};

use sqlx::sqlite::SqliteConnectOptions;

use super::Failure;
use crate::{
    Db,
    db::{COMMAND_TIMEOUT, DatabaseUrl, MigrateError},
    news,
    server::settings::{Config, DOTENV},
};

/// What a command needs of the database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Whether a missing SQLite file is created.
    pub file: bool,
    /// Whether the tables of the news are created.
    pub news: bool,
}

/// The database, migrated.
pub(super) async fn open(config: &Config, needs: Needs) -> Result<Db, Failure> {
    let url = &config.database_url;
    if !needs.file {
        refuse_missing_file(url)?;
    }
    let db = connect(url, "DATABASE_URL").await?;
    db.migrate().await.map_err(unmigrated(url))?;
    if needs.news {
        news::migrate(&db).await.map_err(unmigrated(url))?;
    }
    Ok(db)
}

/// Brings the tables of the news up to date where they are, served or not; true if they are.
async fn migrate_news(db: &Db, url: &DatabaseUrl) -> Result<bool, Failure> {
    let has_news = news::is_installed(db).await.map_err(unopened(url))?;
    if has_news {
        news::migrate_own(db).await.map_err(unmigrated(url))?;
    }
    Ok(has_news)
}

/// The database at `url`, which `setting` names; a missing SQLite file is created.
async fn connect(url: &DatabaseUrl, setting: &str) -> Result<Db, Failure> {
    let db = Db::connect(url).await.map_err(|error| match error {
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            Failure::Mistakes(vec![format!("{setting}: there is no folder for {url}")])
        }
        error => unopened(url)(error),
    })?;
    Ok(db.with_patience(COMMAND_TIMEOUT))
}

fn unopened(url: &DatabaseUrl) -> impl Fn(sqlx::Error) -> Failure {
    move |error| Failure::other(format!("{url} cannot be opened: {error}"))
}

fn unmigrated(url: &DatabaseUrl) -> impl Fn(MigrateError) -> Failure {
    move |error| Failure::other(format!("{url} cannot be migrated: {error}"))
}

/// The file of a command that is for SQLite alone.
fn sqlite_only<'a>(
    url: &'a DatabaseUrl,
    command: &str,
) -> Result<&'a SqliteConnectOptions, Failure> {
    match url {
        DatabaseUrl::Sqlite(file) => Ok(file),
        DatabaseUrl::Postgres(_) => Err(Failure::Mistakes(vec![format!(
            "DATABASE_URL: {command} is for SQLite; for PostgreSQL there are pg_dump, which backs up, \
             and pg_restore"
        )])),
    }
}

/// A command run in another folder than the server's must not leave an empty database there.
fn refuse_missing_file(url: &DatabaseUrl) -> Result<(), Failure> {
    let DatabaseUrl::Sqlite(options) = url else {
        return Ok(());
    };
    let file = options.get_filename();
    match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = absolute(file).map_err(Failure::other)?;
            Err(Failure::other(format!(
                "there is no database at {}; DATABASE_URL or {DOTENV} of another folder may name \
                 yours, and `handstamp migrate` makes one",
                file.display()
            )))
        }
        _ => Ok(()),
    }
}
