//! The files that are written beside their final names.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf, absolute},
};

use crate::server::cli::failure::Failure;

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
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.path.clone().into_os_string();
            name.push(suffix);
            let _ = fs::remove_file(name);
        }
    }
}

/// Whether both are the same file, by whatever names.
pub(super) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let inode = |path| match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(|found| Some((found.dev(), found.ino()))),
    };
    let one = inode(one)?;
    Ok(one.is_some() && one == inode(other)?)
}

/// Refuses a file that exists, unless it may be replaced; what is no file never is.
pub(super) fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    let refused = |what: &str| Err(Failure::other(format!("{} {what}", path.display())));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => refused(&format!("cannot be looked at: {error}")),
        Ok(found) if !found.is_file() => refused("is no file"),
        Ok(_) if !force => refused("exists; --force replaces it"),
        Ok(_) => Ok(()),
    }
}
