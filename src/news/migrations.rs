//! The tables of the news.

use crate::db::{Db, MigrateError, Migrations};

/// Each after those that it refers to.
pub(crate) const TABLES: &[&str] = &["posts", "comments", "votes", "free_reads"];

static NEWS: Migrations = Migrations {
    table: "_handstamp_news_migrations",
    portable: sqlx::migrate!("migrations/news"),
    postgres: None,
};

/// Creates the tables of the news, beside those of the library.
///
/// # Errors
/// When a migration fails.
pub async fn migrate(db: &Db) -> Result<(), MigrateError> {
    db.apply(&NEWS).await
}

/// As [`migrate`], of a database that no newer version may have migrated.
pub(crate) async fn migrate_own(db: &Db) -> Result<(), MigrateError> {
    db.apply_own(&NEWS).await
}

/// Whether the database has the tables of the news, in whatever version.
pub(crate) async fn is_installed(db: &Db) -> sqlx::Result<bool> {
    db.has_applied(&NEWS).await
}

/// How many of them the database has not seen.
///
/// # Errors
/// When the database is not available, or belongs to a newer version.
pub(crate) async fn pending(db: &Db) -> Result<usize, MigrateError> {
    db.pending(&NEWS).await
}
