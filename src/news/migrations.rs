//! The tables of the news.

use crate::db::{Db, MigrateError, Migrations};

/// Where the migrations of the news are recorded: a database without it has no news.
pub(crate) const RECORDS: &str = "_handstamp_news_migrations";
/// Each after those that it refers to.
pub(crate) const TABLES: &[&str] = &["posts", "comments", "votes", "free_reads"];

static NEWS: Migrations = Migrations {
    table: RECORDS,
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
