//! Creates the tables and brings them up to date.
//!
//! Each set of migrations has a table of its own that records which were applied: sqlx would
//! have an app's own `sqlx::migrate!()` share one table with ours, and fail at whichever set it
//! does not know.
//!
//! During a rolling upgrade, nodes of an older version run on the tables of a newer one. So a
//! migration only adds what the older version can ignore, or is named `NNNN_breaking_…`: then older
//! versions refuse to start on it.

use sqlx::{
    Executor, FromRow,
    migrate::{Migration, Migrator},
};
use thiserror::Error;

use super::{
    connect::Db,
    transaction::{Tx, in_tx},
};
#[cfg(feature = "server")]
use super::{connect::Pools, read::on_reader};

/// Where an unfinished move to this database says how far it has come.
pub(super) const MOVE_TABLE: &str = "_handstamp_move";
/// Where sqlx records migrations, and where ours were before they had a table of their own.
const SQLX_TABLE: &str = "_sqlx_migrations";
/// The library's tables, each after those that it refers to; `revocations` is a log of what nodes
/// have cached, and means nothing elsewhere.
#[cfg(feature = "server")]
pub(crate) const TABLES: &[&str] = &[
    "users",
    "sessions",
    "throttles",
    "audit_events",
    "outbox",
    "account_tokens",
    "totp_secrets",
    "recovery_codes",
    "half_logins",
    "passkeys",
    "passkey_challenges",
];
/// What the description of a migration begins with that older versions cannot live with.
const BREAKING: &str = "breaking";
/// "handstmp", so that nodes that start together migrate one after another.
const POSTGRES_LOCK: i64 = 0x6861_6e64_7374_6d70;

/// Migrations that are recorded in a table of their own.
#[derive(Debug)]
pub(crate) struct Migrations {
    pub table: &'static str,
    /// For both databases.
    pub portable: Migrator,
    /// For PostgreSQL alone.
    pub postgres: Option<Migrator>,
}

/// What becomes of a database that a newer version has migrated, which does not break with us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Newer {
    Accepted,
    #[cfg(feature = "server")]
    Refused,
}

static LIBRARY: Migrations = Migrations {
    table: "_handstamp_migrations",
    portable: sqlx::migrate!(),
    postgres: Some(sqlx::migrate!("migrations/postgres")),
};

/// Why the migrations failed; nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The database returned an error, or is not available.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("migration {version} failed: {source}")]
    Failed {
        /// Its number.
        version: i64,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The migration that was applied under this number differs from ours.
    #[error("migration {0} was applied in another form")]
    Changed(i64),
    /// Rows are still being copied into it, or the copy was interrupted.
    #[error(
        "the database is the target of a move that is not finished: run `handstamp move-database` \
         again"
    )]
    Unfinished,
    /// The database was migrated by a newer version, with which this one cannot share it.
    #[error("migration {0} is unknown: the database belongs to a newer version")]
    Unknown(i64),
}

impl Db {
    /// Applies the migrations that this database has not seen, all or none of them. Nodes that
    /// start together wait for each other. Those of a newer version are left as they are, unless
    /// that version says that older ones cannot live with them.
    ///
    /// # Errors
    /// When one fails, the database belongs to a newer version that breaks with this one, or a move
    /// to it is unfinished.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        if self.has_table(MOVE_TABLE).await? {
            return Err(MigrateError::Unfinished);
        }
        self.apply(&LIBRARY).await
    }

    /// As [`migrate`](Self::migrate), of a database that no newer version may have migrated.
    #[cfg(feature = "server")]
    pub(crate) async fn migrate_own(&self) -> Result<(), MigrateError> {
        if self.has_table(MOVE_TABLE).await? {
            return Err(MigrateError::Unfinished);
        }
        self.migrate_target().await
    }

    /// The same, for the target of a move.
    #[cfg(feature = "server")]
    pub(crate) async fn migrate_target(&self) -> Result<(), MigrateError> {
        self.apply_own(&LIBRARY).await
    }

    /// As [`apply`](Self::apply), to a database that no newer version may have migrated.
    #[cfg(feature = "server")]
    pub(crate) async fn apply_own(&self, set: &Migrations) -> Result<(), MigrateError> {
        self.apply_to(set, Newer::Refused).await
    }

    /// Whether the first migration of `set` was applied, by this version or an older one.
    #[cfg(feature = "server")]
    pub(crate) async fn has_applied(&self, set: &Migrations) -> sqlx::Result<bool> {
        let mut tx = self.begin().await?;
        let Some(first) = set.portable.iter().next() else {
            return Ok(false);
        };
        for table in [set.table, SQLX_TABLE] {
            if has_table(&mut tx, table).await? {
                let applied = applied(&mut tx, table).await?;
                let is_first = |one: &Applied| {
                    one.version == first.version && *one.checksum == *first.checksum
                };
                if applied.iter().any(is_first) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn has_table(&self, name: &str) -> sqlx::Result<bool> {
        let mut tx = self.begin().await?;
        has_table(&mut tx, name).await
    }

    /// How many of ours the database has not seen; changes nothing.
    ///
    /// # Errors
    /// When the database is not available, or belongs to a newer version.
    #[cfg(feature = "server")]
    pub(crate) async fn pending(&self, set: &Migrations) -> Result<usize, MigrateError> {
        let is_postgres = matches!(self.pools(), Pools::Postgres(_));
        let wanted = set.wanted(is_postgres);
        if !self.sees_table(set.table).await? {
            return Ok(wanted.len());
        }
        let sql = format!(
            "select version, description, checksum from {} order by version",
            set.table
        );
        let applied: Vec<Applied> =
            on_reader!(self, conn => sqlx::query_as(&sql).fetch_all(conn).await)?;
        check_known(&applied, &wanted, Newer::Refused)?;
        let is_applied = |version| applied.iter().any(|one| one.version == version);
        let pending = wanted.iter().filter(|it| !is_applied(it.version));
        Ok(pending.count())
    }

    /// How many of the library's migrations the database has not seen.
    ///
    /// # Errors
    /// When the database is not available, belongs to a newer version, or a move to it is
    /// unfinished.
    #[cfg(feature = "server")]
    pub(crate) async fn pending_of_library(&self) -> Result<usize, MigrateError> {
        if self.sees_table(MOVE_TABLE).await? {
            return Err(MigrateError::Unfinished);
        }
        self.pending(&LIBRARY).await
    }

    /// Whether there is such a table, by a statement that only reads.
    #[cfg(feature = "server")]
    async fn sees_table(&self, name: &str) -> sqlx::Result<bool> {
        let sql = match self.pools() {
            Pools::Sqlite(_) => "select exists (select 1 from sqlite_master where name = $1)",
            Pools::Postgres(_) => {
                "select exists (select 1 from pg_tables
                 where tablename = $1 and schemaname = any (current_schemas(false)))"
            }
        };
        on_reader!(self, conn => sqlx::query_scalar(sql).bind(name).fetch_one(conn).await)
    }

    pub(crate) async fn apply(&self, set: &Migrations) -> Result<(), MigrateError> {
        self.apply_to(set, Newer::Accepted).await
    }

    async fn apply_to(&self, set: &Migrations, newer: Newer) -> Result<(), MigrateError> {
        let mut tx = self.begin().await?;
        if tx.is_postgres() {
            let lock = format!("select pg_advisory_xact_lock({POSTGRES_LOCK})");
            execute(&mut tx, &lock).await?;
        }
        create_table(&mut tx, set.table).await?;
        let wanted = set.wanted(tx.is_postgres());
        let mut applied = applied(&mut tx, set.table).await?;
        if applied.is_empty() && has_table(&mut tx, SQLX_TABLE).await? {
            take_over(&mut tx, set.table, &wanted).await?;
            applied = self::applied(&mut tx, set.table).await?;
        }
        check_known(&applied, &wanted, newer)?;
        for migration in wanted {
            if applied.iter().any(|one| one.version == migration.version) {
                continue;
            }
            let failed = |source| MigrateError::Failed {
                version: migration.version,
                source,
            };
            execute(&mut tx, &migration.sql).await.map_err(failed)?;
            record(&mut tx, set.table, migration).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Whether rows are still being copied into a SQLite file, or its move was interrupted.
#[cfg(feature = "server")]
pub(super) async fn is_unfinished(conn: &mut sqlx::SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = $1)")
        .bind(MOVE_TABLE)
        .fetch_one(conn)
        .await
}

/// Whether a SQLite file has our first migration, of this version or an older one.
#[cfg(feature = "server")]
pub(super) async fn is_handstamp(conn: &mut sqlx::SqliteConnection) -> sqlx::Result<bool> {
    let Some(first) = LIBRARY.portable.iter().next() else {
        return Ok(false);
    };
    for table in [LIBRARY.table, SQLX_TABLE] {
        let exists: bool =
            sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = $1)")
                .bind(table)
                .fetch_one(&mut *conn)
                .await?;
        if !exists {
            continue;
        }
        let sql =
            format!("select exists (select 1 from {table} where version = $1 and checksum = $2)");
        let is_ours: bool = sqlx::query_scalar(&sql)
            .bind(first.version)
            .bind(&*first.checksum)
            .fetch_one(&mut *conn)
            .await?;
        if is_ours {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Migrations {
    /// Those for one of the two databases, in their order.
    fn wanted(&self, is_postgres: bool) -> Vec<&Migration> {
        let mut wanted: Vec<&Migration> = self.portable.iter().collect();
        if is_postgres {
            wanted.extend(self.postgres.iter().flat_map(Migrator::iter));
        }
        wanted.sort_by_key(|migration| migration.version);
        wanted
    }
}

/// Refuses a database that was migrated otherwise than we would.
fn check_known(
    applied: &[Applied],
    wanted: &[&Migration],
    newer: Newer,
) -> Result<(), MigrateError> {
    let newest = wanted.last().map_or(0, |known| known.version);
    for Applied {
        version,
        description,
        checksum,
    } in applied
    {
        match wanted.iter().find(|known| known.version == *version) {
            None if newer == Newer::Accepted
                && *version > newest
                && !description.starts_with(BREAKING) =>
            {
                tracing::warn!(version, "the database was migrated by a newer version");
            }
            None => return Err(MigrateError::Unknown(*version)),
            Some(known) if *known.checksum != **checksum => {
                return Err(MigrateError::Changed(*version));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

async fn execute(tx: &mut Tx, sql: &str) -> sqlx::Result<()> {
    in_tx!(tx, conn => conn.execute(sql).await.map(drop))
}

async fn create_table(tx: &mut Tx, table: &str) -> sqlx::Result<()> {
    let sql = format!(
        "create table if not exists {table} (
             version bigint primary key not null,
             description text not null,
             checksum bytea not null,
             applied_at timestamp not null default current_timestamp
         )"
    );
    execute(tx, &sql).await
}

/// A migration that was applied.
#[derive(FromRow)]
struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

async fn applied(tx: &mut Tx, table: &str) -> sqlx::Result<Vec<Applied>> {
    let sql = format!("select version, description, checksum from {table} order by version");
    in_tx!(tx, conn => sqlx::query_as(&sql).fetch_all(conn).await)
}

async fn record(tx: &mut Tx, table: &str, migration: &Migration) -> sqlx::Result<()> {
    let sql = format!("insert into {table} (version, description, checksum) values ($1, $2, $3)");
    in_tx!(tx, conn => sqlx::query(&sql)
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(&*migration.checksum)
        .execute(conn)
        .await
        .map(drop))
}

async fn has_table(tx: &mut Tx, name: &str) -> sqlx::Result<bool> {
    let sql = if tx.is_postgres() {
        "select to_regclass($1) is not null"
    } else {
        "select exists (select 1 from sqlite_master where name = $1)"
    };
    in_tx!(tx, conn => sqlx::query_scalar(sql).bind(name).fetch_one(conn).await)
}

/// Moves the records of ours out of sqlx's table, where earlier versions kept them and where an
/// app's own migrations would stumble over them.
async fn take_over(tx: &mut Tx, table: &str, wanted: &[&Migration]) -> sqlx::Result<()> {
    for migration in wanted {
        let sql = format!("delete from {SQLX_TABLE} where version = $1 and checksum = $2");
        let moved = in_tx!(tx, conn => sqlx::query(&sql)
            .bind(migration.version)
            .bind(&*migration.checksum)
            .execute(conn)
            .await
            .map(|done| done.rows_affected() == 1))?;
        if moved {
            record(tx, table, migration).await?;
        }
    }
    Ok(())
}
