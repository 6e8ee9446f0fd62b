//! The tables of the news.

use crate::db::{Db, MigrateError, Migrations};

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
