//! What makes the tables, and brings them up to date.

use std::pin::Pin;

use sqlx::{
    error::BoxDynError,
    migrate::{Migration, MigrationSource, Migrator},
};

/// A migration that could not be applied.
pub type MigrateError = sqlx::migrate::MigrateError;

/// Those that run on both databases.
pub(super) static PORTABLE: Migrator = sqlx::migrate!();
/// What SQLite does of itself.
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// All that PostgreSQL needs.
pub(super) async fn postgres() -> Result<Migrator, MigrateError> {
    Migrator::new(All).await
}

#[derive(Debug)]
struct All;

impl MigrationSource<'static> for All {
    fn resolve(
        self,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Migration>, BoxDynError>> + Send + 'static>> {
        let mut all: Vec<Migration> = PORTABLE.iter().chain(POSTGRES.iter()).cloned().collect();
        all.sort_by_key(|migration| migration.version);
        Box::pin(async { Ok(all) })
    }
}
