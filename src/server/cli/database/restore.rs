//! Puts a backup in the place of a SQLite database.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::sqlite::SqliteConnectOptions;

use super::{
    connect,
    files::{Unfinished, is_same_file, refuse_existing},
    sqlite_only, unmigrated,
};
use crate::{
    Clock,
    db::{DatabaseUrl, SnapshotError, checked_snapshot, refuse_open, replace},
    server::{
        cli::{args::Restore, failure::Failure, terminal::say},
        settings::{CommandName, Config, Variables},
    },
};

/// Replaces the database by a copy of the backup, migrated.
pub async fn restore(options: &Restore, variables: &Variables) -> Result<(), Failure> {
    let config = Config::for_command(variables, CommandName::Database)?;
    let database = sqlite_only(&config.database_url, "restore")?;
    let place = followed(database.get_filename());
    let file = &options.file;
    if !file.exists() {
        return Err(Failure::other(format!(
            "there is no file {}",
            file.display()
        )));
    }
    if is_same_file(file, &place).map_err(Failure::other)? {
        let mistake = format!("{} is the database itself", file.display());
        return Err(Failure::Mistakes(vec![mistake]));
    }
    let refused = |error| Failure::other(format!("{} is not replaced: {error}", place.display()));
    refuse_open(&place).map_err(refused)?;
    refuse_existing(&place, options.force)?;
    let unfinished = Unfinished::beside(&place)?;
    let backup = SqliteConnectOptions::new().filename(file);
    let copied = checked_snapshot(&backup, &unfinished.path).await;
    copied.map_err(|error| not_restored(file, &error))?;
    let (ended, live) = prepare(&config, &unfinished.path, options.end_sessions).await?;
    replace(&unfinished.path, &place).await.map_err(refused)?;
    say(&format!(
        "restored {} to {}",
        file.display(),
        place.display()
    ))?;
    say(&match (options.end_sessions, live) {
        (true, _) => format!("sessions ended: {ended}; everybody has to log in again"),
        (false, 0) => "no session in it is live".to_owned(),
        (false, live) => format!(
            "sessions that are live again: {live}, also those that were ended after the backup; \
             `handstamp user sign-out --all` ends them"
        ),
    })
}

/// Migrates the copy, and ends its sessions if asked to; how many ended, how many are live.
async fn prepare(config: &Config, copy: &Path, end: bool) -> Result<(u64, i64), Failure> {
    let url = DatabaseUrl::Sqlite(SqliteConnectOptions::new().filename(copy));
    let db = connect(&url, "DATABASE_URL").await?;
    let done = async {
        db.migrate_own().await.map_err(unmigrated(&url))?;
        let accounts = config.accounts(db.clone(), Clock::system());
        let accounts = accounts.map_err(Failure::other)?;
        let ended = match end {
            true => accounts.sign_out_all().await?,
            false => 0,
        };
        Ok((ended, accounts.count_live_sessions().await?))
    };
    let done = done.await;
    db.close().await;
    done
}

/// The file that a link leads to, so that the link stays.
fn followed(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn not_restored(file: &Path, error: &SnapshotError) -> Failure {
    Failure::other(format!("{} cannot be restored: {error}", file.display()))
}
