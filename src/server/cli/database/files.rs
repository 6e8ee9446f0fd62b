//! The files that are written beside their final names.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf, absolute},
};

use crate::{
    db::{BESIDE, beside, log_beside},
    server::cli::failure::Failure,
};

/// A file that is removed unless it gets its final name.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub path: PathBuf,
}

impl Unfinished {
    /// An empty file in the folder of `place`, for its owner alone, as it will hold password
    /// hashes.
    pub fn beside(place: &Path) -> Result<Self, Failure> {
        let place = absolute(place).map_err(Failure::other)?;
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let path = place.with_file_name(format!(".{name}.{:016x}", rand::random::<u64>()));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| {
                Failure::other(format!("{} cannot be written: {error}", path.display()))
            })?;
        Ok(Self { path })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Nothing is left of one that was renamed.
        let _ = fs::remove_file(&self.path);
        for suffix in BESIDE {
            let _ = fs::remove_file(beside(&self.path, suffix));
        }
    }
}

/// Refuses a path that exists, or has a write-ahead log beside it that SQLite would apply to a new
/// file. With `force`, files and logs may be replaced, but nothing else.
pub(super) fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    let refused = |path: &Path, what: &str| {
        let path = path.display();
        Err(Failure::other(format!("{path} {what}")))
    };
    let unreadable = |error| refused(path, &format!("cannot be looked at: {error}"));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if !force && path.is_symlink() {
                return refused(path, "is a link to a missing file; --force replaces it");
            }
        }
        Err(error) => return unreadable(error),
        Ok(found) if !found.is_file() => return refused(path, "is no file"),
        Ok(_) if !force => return refused(path, "exists; --force replaces it"),
        Ok(_) => {}
    }
    match log_beside(path) {
        Err(error) => unreadable(error),
        Ok(Some(log)) if !force => {
            let what = "is left of another database of that name; --force removes it";
            refused(&log, what)
        }
        Ok(_) => Ok(()),
    }
}
