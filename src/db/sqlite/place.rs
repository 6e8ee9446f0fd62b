//! Database files by their names: what SQLite keeps beside one, and how another takes its place.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf, absolute},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

/// What SQLite puts beside a database, which must not meet another one of the same name.
pub(crate) const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Of these, what belongs to the data.
const LOGS: [&str; 2] = ["-wal", "-journal"];

/// The file of this suffix beside a database.
pub(crate) fn beside(place: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(place);
    name.push(suffix);
    name.into()
}

/// A log beside `place` that SQLite would apply to whatever database is there.
pub(crate) fn log_beside(place: &Path) -> io::Result<Option<PathBuf>> {
    for suffix in LOGS {
        let log = beside(place, suffix);
        match fs::metadata(&log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(found) if found.len() == 0 => {}
            Ok(_) => return Ok(Some(log)),
        }
    }
    Ok(None)
}

/// Whether both are the same file, by whatever names; a missing one is none.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let inode = |path| match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(|found| Some((found.dev(), found.ino()))),
    };
    let one = inode(one)?;
    Ok(one.is_some() && one == inode(other)?)
}

/// Renames `new`, a closed database, to `place`, both in one folder. What is there, or appears
/// there at the last moment, is replaced only when `replaces`. A crash leaves either of the two.
pub(crate) fn put(new: &Path, place: &Path, replaces: bool) -> io::Result<()> {
    File::open(new)?.sync_all()?;
    if replaces {
        // Before the rename: SQLite would apply an old log to the new file.
        for suffix in BESIDE {
            match fs::remove_file(beside(place, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(new, place)?;
    } else {
        rename_to_free(new, place).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it exists by now; --force replaces it",
            ),
            _ => error,
        })?;
    }
    let place = absolute(place)?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
}

/// Renames a file unless the new name is taken, also by a link that leads nowhere.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // NFS, among others, cannot; it has links.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Gives a new file the owner and mode of the file that it will replace, or else the owner of its
/// folder: what root creates must be a file that the server can open.
pub(super) fn take_owner(new: &Path, old: Option<&fs::Metadata>) -> io::Result<()> {
    let found = fs::metadata(new)?;
    let new_owner = match old {
        Some(old) => (old.uid(), old.gid()),
        None if rustix::process::geteuid().is_root() => {
            let folder = absolute(new)?;
            let folder = fs::metadata(folder.parent().unwrap_or(Path::new("/")))?;
            (folder.uid(), folder.gid())
        }
        None => return Ok(()),
    };
    if (found.uid(), found.gid()) != new_owner {
        chown(new, Some(new_owner.0), Some(new_owner.1))?;
    }
    match old {
        Some(old) => fs::set_permissions(new, old.permissions()),
        None => Ok(()),
    }
}

/// Creates a database file, which is empty, unless there is one.
pub(crate) fn create(place: &Path) -> io::Result<()> {
    if fs::symlink_metadata(place).is_ok() {
        return Ok(());
    }
    super::create_private(place)?;
    take_owner(place, None)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_appears_at_the_last_moment_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("new"), "new").unwrap();
        fs::write(path("there"), "there").unwrap();
        fs::write(path("there-wal"), "log").unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
        for taken in ["there", "link"] {
            let refused = put(&path("new"), &path(taken), false).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{taken}");
        }
        assert_eq!(fs::read(path("there")).unwrap(), b"there");
        assert!(path("there-wal").exists(), "its log is its own");
        put(&path("new"), &path("there"), true).unwrap();
        assert_eq!(fs::read(path("there")).unwrap(), b"new");
        assert!(!path("there-wal").exists());
        put(&path("there"), &path("free"), false).unwrap();
        assert_eq!(fs::read(path("free")).unwrap(), b"new");
    }
}
