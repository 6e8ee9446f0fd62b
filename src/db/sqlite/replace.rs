//! Puts another file in the place of a database that nobody has open.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use rustix::process::{Flock, FlockType, fcntl_getlk};
use sqlx::{
    ConnectOptions, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteLockingMode},
};
use thiserror::Error;

use super::place::{beside, put, take_owner};

/// SQLite's primary result codes for a file that is in use, BUSY and LOCKED,
const IN_USE: [u32; 2] = [5, 6];
/// and for one that is broken or no database, CORRUPT and NOTADB.
const BROKEN: [u32; 2] = [11, 26];

/// Why a database was not replaced.
#[derive(Debug, Error)]
pub(crate) enum ReplaceError {
    #[error("{} has it open; stop it first", process(*.0))]
    InUse(Option<i32>),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn process(id: Option<i32>) -> String {
    id.map_or("another process".to_owned(), |id| format!("process {id}"))
}

/// The process that has the database open, if any. A server holds a lock on the file, and on the
/// index of its log, as long as it runs.
pub(crate) fn refuse_open(place: &Path) -> Result<(), ReplaceError> {
    // SQLite follows links before it names the index.
    let place = fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let index = beside(&place, "-shm");
    for file in [place, index] {
        let file = match File::open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let held = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock));
        if let Some(held) = held.map_err(io::Error::from)? {
            let id = held.pid.map(|pid| pid.as_raw_nonzero().get());
            return Err(ReplaceError::InUse(id.filter(|id| *id > 0)));
        }
    }
    Ok(())
}

/// Puts `new`, a closed database in the same folder, at `place`, with the owner and mode of the
/// file that was there, which is replaced only when `replaces`. A crash leaves either of the two,
/// whole.
pub(crate) async fn replace(new: &Path, place: &Path, replaces: bool) -> Result<(), ReplaceError> {
    refuse_open(place)?;
    let old = match fs::metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        old => Some(old?),
    };
    take_owner(new, old.as_ref())?;
    // Held until the end: a server that starts now waits, and then finds its file replaced.
    let locked = match old {
        Some(_) if replaces => lock(place).await?,
        _ => None,
    };
    put(new, place, replaces)?;
    drop(locked);
    Ok(())
}

/// Locks the database for this process alone, its log written back so that no file beside it
/// matters any more; none when the file is no database.
async fn lock(place: &Path) -> Result<Option<SqliteConnection>, ReplaceError> {
    let options = SqliteConnectOptions::new()
        .filename(place)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(Duration::ZERO);
    let locked = async {
        let mut conn = options.connect().await?;
        conn.execute("pragma journal_mode = delete").await?;
        conn.execute("begin exclusive").await?;
        Ok::<_, sqlx::Error>(conn)
    };
    match locked.await {
        Ok(conn) => Ok(Some(conn)),
        Err(error) if is_in_use(&error) => Err(ReplaceError::InUse(None)),
        Err(error) if has_code(&error, BROKEN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a file could not be locked because somebody else has.
pub(crate) fn is_in_use(error: &sqlx::Error) -> bool {
    has_code(error, IN_USE)
}

fn has_code(error: &sqlx::Error, codes: [u32; 2]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| codes.contains(&(code & 0xff)))
}
