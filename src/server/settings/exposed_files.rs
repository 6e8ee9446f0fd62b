//! Finds the database and settings in the folder that is served to everybody.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::DOTENV;
use crate::db::DatabaseUrl;

/// The files of the settings and the database that anybody could fetch from `web_dir`, a line each.
pub(super) fn exposed_files(web_dir: &Path, database: &DatabaseUrl) -> Vec<String> {
    let Ok(web_dir) = web_dir.canonicalize() else {
        return Vec::new();
    };
    let mut mistakes = Vec::new();
    let mut refuse = |what: &str| {
        mistakes.push(format!(
            "must not hold {what}, which anybody could then fetch"
        ));
    };
    if let DatabaseUrl::Sqlite(file) = database
        && lies_in(&web_dir, file.get_filename())
    {
        refuse("the database file");
    }
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let own = Path::new(DOTENV);
    if is_there(&web_dir.join(DOTENV)) || (is_there(own) && lies_in(&web_dir, own)) {
        refuse(DOTENV);
    }
    mistakes
}

/// Whether a file, there or not yet, or what it links to lies in `folder`.
fn lies_in(folder: &Path, file: &Path) -> bool {
    let target = file.canonicalize();
    let places = [target, place(file)];
    let mut places = places.iter().flatten();
    places.any(|place| place.starts_with(folder))
}

/// Where a file of this name is or would be.
fn place(file: &Path) -> io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    let folder = file.parent().unwrap_or(&file).canonicalize()?;
    Ok(folder.join(file.file_name().unwrap_or_default()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn sqlite(file: &Path) -> DatabaseUrl {
        format!("sqlite://{}", file.display()).parse().unwrap()
    }

    #[test]
    fn a_database_in_the_folder_is_found_however_it_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (web, data) = (root.path().join("web"), root.path().join("data"));
        fs::create_dir_all(web.join("sub")).unwrap();
        fs::create_dir(&data).unwrap();
        symlink(&web, root.path().join("link")).unwrap();
        symlink(web.join("real.db"), data.join("link.db")).unwrap();
        fs::write(web.join("real.db"), "").unwrap();
        for exposed in [
            web.join("not-yet.db"),
            web.join("sub/not-yet.db"),
            data.join("../web/not-yet.db"),
            root.path().join("link/not-yet.db"),
            data.join("link.db"),
        ] {
            let found = exposed_files(&web, &sqlite(&exposed));
            assert_eq!(found.len(), 1, "{exposed:?}");
        }
        for hidden in [data.join("own.db"), root.path().join("web.db")] {
            let found = exposed_files(&web, &sqlite(&hidden));
            assert_eq!(found, Vec::<String>::new(), "{hidden:?}");
        }
        let nowhere = root.path().join("nowhere");
        let found = exposed_files(&nowhere, &sqlite(&nowhere.join("a.db")));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn settings_in_the_folder_are_found() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(DOTENV), "").unwrap();
        let elsewhere: DatabaseUrl = "postgres://db.example/news".parse().unwrap();
        assert_eq!(exposed_files(root.path(), &elsewhere).len(), 1);
    }
}
