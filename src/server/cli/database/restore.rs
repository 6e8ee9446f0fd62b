//! Puts a backup in the place of a SQLite database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sqlx::sqlite::SqliteConnectOptions;

use super::{
    connect,
    files::{Unfinished, refuse_existing},
    migrate_news, sqlite_only, unmigrated,
};
use crate::{
    Clock,
    db::{
        DatabaseUrl, SnapshotError, checked_snapshot, is_same_file, log_beside, refuse_open,
        replace, settle,
    },
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
    refuse_unreadable(file)?;
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
    let settled = settle(&unfinished.path).await;
    settled.map_err(|error| not_restored(file, &error))?;
    let replaced = replace(&unfinished.path, &place, options.force).await;
    replaced.map_err(refused)?;
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
        migrate_news(&db, &url).await?;
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

/// Where a database really is, so that a link to it stays, also one to a file that was lost.
fn followed(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        if let Ok(found) = fs::canonicalize(&path) {
            return found;
        }
        let Ok(to) = fs::read_link(&path) else {
            break;
        };
        path = path.with_file_name(to);
    }
    path
}

/// A backup is one file. A log beside it is of another database that had its name, or the file is
/// the copy of a database in use.
fn refuse_unreadable(file: &Path) -> Result<(), Failure> {
    let name = file.display();
    fs::metadata(file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::other(format!("there is no file {name}")),
        _ => Failure::other(format!("{name} cannot be read: {error}")),
    })?;
    match log_beside(file) {
        Err(error) => Err(Failure::other(format!("{name} cannot be read: {error}"))),
        Ok(None) => Ok(()),
        Ok(Some(log)) => Err(Failure::other(format!(
            "{} lies beside {name}, which is then no backup as it was made: delete the log if it is \
             of something else; if the two belong together, make a backup of them with DATABASE_URL \
             set to {name}, and restore that",
            log.display()
        ))),
    }
}

fn not_restored(file: &Path, error: &SnapshotError) -> Failure {
    Failure::other(format!("{} cannot be restored: {error}", file.display()))
}
