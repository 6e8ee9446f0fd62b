//! Backs a SQLite database up while it is in use.

use std::{
    fs::{self, File},
    path::{Path, absolute},
};

use super::{
    files::{Unfinished, is_same_file, refuse_existing},
    sqlite_only,
};
use crate::{
    db::{snapshot, sync_folder},
    server::{
        cli::{args::Backup, failure::Failure, terminal::say},
        settings::{CommandName, Config, Variables},
    },
};

/// Writes a consistent copy of the database to a file.
pub async fn backup(options: &Backup, variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Database)?;
    let source = sqlite_only(&config.database_url, "backup")?;
    super::refuse_missing_file(&config.database_url)?;
    let file = &options.file;
    refuse_to_hit_source(file, source.get_filename())?;
    refuse_existing(file, options.force)?;
    let unfinished = Unfinished::beside(file)?;
    snapshot(source, &unfinished.path).await.map_err(|error| {
        Failure::other(format!(
            "{} cannot be backed up: {error}",
            config.database_url
        ))
    })?;
    let finished = File::open(&unfinished.path)
        .and_then(|copy| copy.sync_all())
        .and_then(|()| fs::rename(&unfinished.path, file))
        .and_then(|()| sync_folder(&absolute(file)?));
    finished.map_err(|error| {
        Failure::other(format!("{} cannot be written: {error}", file.display()))
    })?;
    say(&format!(
        "backed {} up to {}",
        config.database_url,
        file.display()
    ))
}

/// Neither the database nor a file that SQLite keeps beside it.
fn refuse_to_hit_source(file: &Path, source: &Path) -> Result<(), Failure> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut own = source.as_os_str().to_owned();
        own.push(suffix);
        if is_same_file(file, Path::new(&own)).map_err(Failure::other)? {
            let mistake = format!("{} belongs to the database itself", file.display());
            return Err(Failure::Mistakes(vec![mistake]));
        }
    }
    Ok(())
}
