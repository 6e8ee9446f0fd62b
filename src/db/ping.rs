//! Checks that the database is available.

#[cfg(feature = "sqlite")]
use super::sqlite::write_nothing;
use super::{
    connect::{Db, Pools},
    read::on_reader,
};

impl Db {
    /// Checks that the database responds, and is one; writes nothing.
    ///
    /// # Errors
    /// When it is not available, or no database.
    #[cfg(feature = "server")]
    pub(crate) async fn look(&self) -> sqlx::Result<()> {
        let sql = match self.pools() {
            // The file is read no sooner.
            Pools::Sqlite(_) => "select count(*) from sqlite_master",
            Pools::Postgres(_) => "select 1",
        };
        on_reader!(self, conn => sqlx::query(sql).execute(conn).await.map(drop))
    }

    /// Checks that the database responds; on SQLite also that it can be written to, as its disk
    /// may be full.
    ///
    /// # Errors
    /// When it is not available.
    pub async fn ping(&self) -> sqlx::Result<()> {
        on_reader!(self, conn => sqlx::query("select 1").execute(conn).await.map(drop))?;
        match self.pools() {
            #[cfg(feature = "sqlite")]
            Pools::Sqlite(sqlite) => {
                let write = || self.write((), |(), tx| Box::pin(write_nothing(tx)));
                sqlite.probe(write).await
            }
            #[cfg(feature = "postgres")]
            Pools::Postgres(_) => Ok(()),
        }
    }
}
