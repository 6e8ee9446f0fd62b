//! The database of a command.

use std::{fs, io, path::absolute};

use super::Failure;
use crate::{
    Db,
    db::DatabaseUrl,
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
    let db = Db::connect(url).await.map_err(|error| match error {
        sqlx::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            Failure::Mistakes(vec![format!("DATABASE_URL: there is no folder for {url}")])
        }
        error => Failure::other(format!("{url} cannot be opened: {error}")),
    })?;
    let unmigrated = |error| Failure::other(format!("{url} cannot be migrated: {error}"));
    db.migrate().await.map_err(unmigrated)?;
    if needs.news {
        news::migrate(&db).await.map_err(unmigrated)?;
    }
    Ok(db)
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
