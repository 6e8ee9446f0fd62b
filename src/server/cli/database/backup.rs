//! Backs a SQLite database up while it is in use.

use std::{fmt::Display, path::Path};

use super::{
    files::{Unfinished, refuse_existing},
    sqlite_only,
};
use crate::{
    db::{BESIDE, beside, is_same_file, put, refuse_open, snapshot},
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
    let unwritten = |error: &dyn Display| {
        Failure::other(format!("{} cannot be written: {error}", file.display()))
    };
    refuse_open(file).map_err(|error| unwritten(&error))?;
    let unfinished = Unfinished::beside(file)?;
    snapshot(source, &unfinished.path).await.map_err(|error| {
        Failure::other(format!(
            "{} cannot be backed up: {error}",
            config.database_url
        ))
    })?;
    refuse_open(file).map_err(|error| unwritten(&error))?;
    put(&unfinished.path, file, options.force).map_err(|error| unwritten(&error))?;
    say(&format!(
        "backed {} up to {}",
        config.database_url,
        file.display()
    ))
}

/// Neither the database nor a file that SQLite keeps beside it.
fn refuse_to_hit_source(file: &Path, source: &Path) -> Result<(), Failure> {
    let own = BESIDE.map(|suffix| beside(source, suffix));
    for own in [source.to_owned()].iter().chain(&own) {
        if is_same_file(file, own).map_err(Failure::other)? {
            let mistake = format!("{} belongs to the database itself", file.display());
            return Err(Failure::Mistakes(vec![mistake]));
        }
    }
    Ok(())
}
