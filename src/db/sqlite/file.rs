//! Checks that an open SQLite database is still the file at its path.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// The file that the database was opened from, and the write-ahead log beside it. SQLite goes on
/// writing to files that were deleted or replaced, and a restart would lose what it wrote.
/// Cheap to clone.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub struct SqliteFile(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    path: PathBuf,
    wal_path: PathBuf,
    /// Noted before the first connection is opened, so that a file that is replaced meanwhile
    /// is noticed.
    opened: Option<FileId>,
    /// The same one as long as the connection for writing is open.
    wal: Mutex<Option<FileId>>,
}

/// Identifies a file, also against a later one that reuses its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    /// None where the file system does not say.
    created: Option<SystemTime>,
}

impl FileId {
    /// None when there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            created: metadata.created().ok(),
        })
    }
}

impl SqliteFile {
    /// The existing database at `path`.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        // SQLite follows links before it names its log.
        let mut wal_path = OsString::from(fs::canonicalize(path)?);
        wal_path.push("-wal");
        Ok(Self(Arc::new(Parts {
            path: std::path::absolute(path)?,
            wal_path: wal_path.into(),
            opened: FileId::of(path),
            wal: Mutex::default(),
        })))
    }

    /// To be called when a connection for writing was opened.
    pub(super) fn note_open(&self) {
        *self.wal() = FileId::of(&self.0.wal_path);
    }

    /// Fails when the open files are no longer those at their paths: what is written is lost.
    pub(super) fn check(&self) -> sqlx::Result<()> {
        let parts = &*self.0;
        let is_same =
            parts.opened == FileId::of(&parts.path) && *self.wal() == FileId::of(&parts.wal_path);
        if is_same {
            return Ok(());
        }
        let what = "the database's files were deleted or replaced; restart to use what is there";
        Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::NotFound,
            what,
        )))
    }

    /// The result of a write; an error when it went to a file that was deleted or replaced.
    pub(crate) fn checked<T>(&self, written: sqlx::Result<T>) -> sqlx::Result<T> {
        written.and_then(|written| self.check().map(|()| written))
    }

    fn wal(&self) -> std::sync::MutexGuard<'_, Option<FileId>> {
        self.0.wal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
