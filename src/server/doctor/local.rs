//! The checks of what is on this machine: settings, key, database, disk.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access, statvfs};

use super::report::{Check, Status};
use crate::{
    auth::{RelyingParty, Secret, passkey},
    db::{DatabaseUrl, Db, MigrateError},
    mail::SmtpMailer,
    news,
    server::settings::{Config, Variables},
};

const SETTINGS: &str = "settings";
const SECRET_KEY: &str = "secret_key";
const DATABASE: &str = "database";
const MIGRATIONS: &str = "migrations";
const PASSKEYS: &str = "passkeys";
const DISK_SPACE: &str = "disk_space";
const MAIL: &str = "mail";
/// Below this, or below the size of the database, of which a backup is a second copy.
const MIN_FREE_BYTES: u64 = 256 * 1024 * 1024;

/// Examines the settings and the database that a server started here would use.
pub(super) async fn examine(variables: &Variables) -> Vec<Check> {
    let mut checks = Vec::new();
    let config = match Config::for_server(variables) {
        Ok(config) => config,
        Err(error) => {
            checks.extend(error.0.iter().map(|mistake| {
                let mistake = variables.without_secrets(mistake);
                Check::fail(
                    SETTINGS,
                    mistake,
                    "correct it in the environment or in .env",
                )
            }));
            let why = "the settings are to be corrected first";
            let rest = [SECRET_KEY, DATABASE, MIGRATIONS, PASSKEYS, DISK_SPACE, MAIL];
            checks.extend(rest.map(|name| Check::skipped(name, why)));
            return checks;
        }
    };
    let environment = if config.is_production() {
        "production"
    } else {
        "development"
    };
    checks.push(Check::pass(
        SETTINGS,
        format!("complete, for {environment}"),
    ));
    checks.push(key_strength(&config));
    checks.extend(database(&config, variables).await);
    checks.push(disk_space(&config.database_url));
    checks.push(mail(&config, variables).await);
    checks
}

/// Whether the mail server accepts the login. Nothing is sent.
async fn mail(config: &Config, variables: &Variables) -> Check {
    let Some(url) = &config.mail.smtp_url else {
        return match config.is_production() {
            true => Check::skipped(
                MAIL,
                "SMTP_URL is not set: nobody who forgets their password gets back in by themselves, \
                 and nobody hears of a new device",
            ),
            false => Check::pass(MAIL, "SMTP_URL is not set: mails are in the log"),
        };
    };
    let fix = "correct SMTP_URL, or start the mail server; its own message says what is wrong";
    let fail = |what: String| Check::fail(MAIL, variables.without_secrets(&what), fix);
    let mailer = match SmtpMailer::new(url.clone(), &config.mail.from) {
        Ok(mailer) => mailer,
        Err(error) => return fail(error),
    };
    match mailer.check().await {
        Ok(()) => Check::pass(MAIL, format!("{url} accepts the login")),
        Err(error) => fail(format!("{url}: {error}")),
    }
}

fn key_strength(config: &Config) -> Check {
    let fix = "put a fresh one (`handstamp secret`) on SECRET_KEY and the old one on \
               SECRET_KEY_FALLBACKS, so that nobody is logged out; remove it once \
               SESSION_ABSOLUTE_TIMEOUT has passed";
    if config.secret_key.as_ref().is_some_and(Secret::is_weak) {
        return Check::fail(SECRET_KEY, "is easily guessed", fix);
    }
    if config.secret_key_fallbacks.iter().any(Secret::is_weak) {
        let what = "SECRET_KEY_FALLBACKS holds a key that is easily guessed";
        let fix = "remove it as soon as SESSION_ABSOLUTE_TIMEOUT has passed";
        return Check::fail(SECRET_KEY, what, fix);
    }
    Check::pass(SECRET_KEY, "long and random enough")
}

/// Whether the database can be opened, has every table, and no passkeys that are of no use.
async fn database(config: &Config, variables: &Variables) -> [Check; 3] {
    let url = &config.database_url;
    let failed = |what: String, fix: &str| {
        [
            Check::fail(DATABASE, variables.without_secrets(&what), fix),
            Check::skipped(MIGRATIONS, "the database cannot be read"),
            Check::skipped(PASSKEYS, "the database cannot be read"),
        ]
    };
    if let Some(missing) = missing_file(url) {
        let fix =
            "`handstamp migrate` makes one; if yours is elsewhere, DATABASE_URL is to name it";
        return failed(missing, fix);
    }
    // Opened for writing, SQLite's file would change even if it is another program's, and a server
    // that runs would take the check for a change of the data.
    let db = match Db::read_only(url).await {
        Ok(db) => db,
        Err(error) => {
            let what = format!("{url} cannot be opened: {error}");
            return failed(what, "start the database, or correct DATABASE_URL");
        }
    };
    let looked = db.look().await.map_err(|error| error.to_string());
    let checks = match looked.and_then(|()| writable(url)) {
        Ok(()) => {
            let migrations = migrations(config, &db).await;
            let passkeys = match migrations.status {
                Status::Pass => passkeys(config, &db).await,
                _ => Check::skipped(PASSKEYS, "the migrations come first"),
            };
            let responds = Check::pass(DATABASE, format!("{url} responds"));
            [responds, migrations, passkeys]
        }
        Err(error) => failed(
            format!("{url} cannot be used: {error}"),
            "the database's own message above says what is wrong with it",
        ),
    };
    db.close().await;
    checks
}

/// Whether this user may write to a SQLite file, and to the folder, where the log comes beside it.
fn writable(url: &DatabaseUrl) -> Result<(), String> {
    let DatabaseUrl::Sqlite(options) = url else {
        return Ok(());
    };
    let file = real(options.get_filename());
    let folder = file.parent().unwrap_or(Path::new("/"));
    for path in [&*file, folder] {
        access(path, Access::WRITE_OK)
            .map_err(|error| format!("{} takes no writes: {error}", path.display()))?;
    }
    Ok(())
}

/// The path without symbolic links, or else at least an absolute one.
fn real(path: &Path) -> PathBuf {
    let real = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    real.unwrap_or_else(|_| path.to_owned())
}

/// Of a SQLite database whose file is not there: opening it would make one.
pub(super) fn missing_file(url: &DatabaseUrl) -> Option<String> {
    let DatabaseUrl::Sqlite(options) = url else {
        return None;
    };
    let file = options.get_filename();
    let missing = std::fs::metadata(file).is_err_and(|it| it.kind() == io::ErrorKind::NotFound);
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    missing.then(|| format!("there is no file {}", file.display()))
}

async fn migrations(config: &Config, db: &Db) -> Check {
    let pending = async {
        let of_library = db.pending_of_library().await?;
        let of_news = match config.news {
            Some(_) => news::pending(db).await?,
            None => 0,
        };
        Ok::<_, MigrateError>(of_library + of_news)
    };
    match pending.await {
        Ok(0) => Check::pass(MIGRATIONS, "every one is applied"),
        Ok(pending) => Check::fail(
            MIGRATIONS,
            format!("{pending} are not applied yet"),
            "back up, then `handstamp migrate`, or start the server, which does it",
        ),
        Err(error @ (MigrateError::Unknown(_) | MigrateError::Changed(_))) => Check::fail(
            MIGRATIONS,
            error,
            "use the version of handstamp that has migrated this database, or a newer one",
        ),
        Err(error @ MigrateError::Unfinished) => Check::fail(
            MIGRATIONS,
            error,
            "move it to its end, or use the database it came from",
        ),
        Err(error) => Check::fail(MIGRATIONS, error, "see the check of the database"),
    }
}

/// Whether the passkeys of accounts can be used.
async fn passkeys(config: &Config, db: &Db) -> Check {
    let site = config.passkeys.relying_party.as_ref();
    let domain = site.map(RelyingParty::id);
    let (count, unusable) = match passkey::store::count_all(db, domain).await {
        Ok(counts) => counts,
        Err(error) => {
            let what = format!("they cannot be counted: {error}");
            return Check::fail(PASSKEYS, what, "see the check of the database");
        }
    };
    match (domain, unusable) {
        (Some(domain), 0) => Check::pass(PASSKEYS, format!("of {domain}")),
        (Some(domain), _) => Check::fail(
            PASSKEYS,
            format!(
                "{unusable} of {count} passkeys were added for another domain than {domain}, and \
                 cannot be used"
            ),
            "set RP_ID back to that domain; or have their users log in otherwise, add new ones and \
             delete those",
        ),
        (None, 0) => Check::skipped(
            PASSKEYS,
            "PUBLIC_URL does not name a domain: nobody can add a passkey",
        ),
        (None, _) => Check::fail(
            PASSKEYS,
            format!("{count} are in the database, and none is taken"),
            "set PUBLIC_URL, or RP_ID and RP_ORIGINS, to the domain that they were added for",
        ),
    }
}

/// Of the disk that a SQLite database is on.
fn disk_space(url: &DatabaseUrl) -> Check {
    let DatabaseUrl::Sqlite(options) = url else {
        let why = "PostgreSQL's disk is on its own machine; watch it there";
        return Check::skipped(DISK_SPACE, why);
    };
    let file = real(options.get_filename());
    let folder = file.parent().unwrap_or(Path::new("/"));
    let free = match statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let what = format!("{}: {error}", folder.display());
            return Check::fail(
                DISK_SPACE,
                what,
                "DATABASE_URL is to name a folder that exists",
            );
        }
    };
    let mut log = file.clone().into_os_string();
    log.push("-wal");
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let size = length(&file).saturating_add(length(Path::new(&log)));
    let what = format!(
        "{} free on the disk of the database, which has {}",
        megabytes(free),
        megabytes(size)
    );
    if is_enough(free, size) {
        Check::pass(DISK_SPACE, what)
    } else {
        let fix = "make room, or move the database to a larger disk: with a full one, writes fail";
        Check::fail(DISK_SPACE, what, fix)
    }
}

fn is_enough(free: u64, size: u64) -> bool {
    free >= MIN_FREE_BYTES.max(size)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_to_be_room_for_a_copy_and_for_growth() {
        let mib = 1024 * 1024;
        assert!(is_enough(256 * mib, 0) && !is_enough(255 * mib, 0));
        assert!(is_enough(3_000 * mib, 3_000 * mib) && !is_enough(2_999 * mib, 3_000 * mib));
    }
}
