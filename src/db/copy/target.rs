//! What is copied to, and how far the copy has come.

use futures_util::TryStreamExt;
use sqlx::{Postgres, QueryBuilder, Sqlite, sqlite::SqliteJournalMode};

use super::{
    Copied,
    checksum::Checksum,
    describe::describe,
    error::CopyError,
    side::{Side, on_side},
    source::unreadable,
    table::{Table, quoted},
    value::{Kind, Value},
};
use crate::db::{DatabaseUrl, is_unavailable, migrations::MOVE_TABLE as MARKER};

/// The same text twice: the two `Separated` have no trait in common.
macro_rules! bind {
    ($row:ident, $value:ident) => {
        match $value {
            Value::Uuid(value) => $row.push_bind(value),
            Value::Text(value) => $row.push_bind(value),
            Value::Bytes(value) => $row.push_bind(value),
            Value::Integer(value) => $row.push_bind(value),
            Value::Boolean(value) => $row.push_bind(value),
            Value::Time(value) => $row.push_bind(value),
        }
    };
}

/// Inserts rows in one statement. Batches differ in length: as statements to be kept they would
/// fill the cache.
macro_rules! insert_rows {
    ($database:ident, $insert:ident, $rows:ident, $conn:ident) => {{
        let mut query = QueryBuilder::<$database>::new($insert);
        query.push_values($rows.drain(..), |mut row, values| {
            for value in values {
                bind!(row, value);
            }
        });
        let query = query.build().persistent(false);
        query.execute($conn).await.map(drop)
    }};
}

#[derive(Debug)]
pub(super) struct Target {
    side: Side,
}

/// How many rows of a table are there, with their checksum as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub rows: u64,
    pub checksum: String,
}

impl Target {
    pub async fn open(url: &DatabaseUrl) -> sqlx::Result<Self> {
        let url = match url {
            DatabaseUrl::Sqlite(file) => {
                let file = file.clone().journal_mode(SqliteJournalMode::Wal);
                DatabaseUrl::Sqlite(file)
            }
            DatabaseUrl::Postgres(_) => url.clone(),
        };
        Ok(Self {
            side: Side::connect(&url).await?,
        })
    }

    pub fn is_postgres(&self) -> bool {
        self.side.is_postgres()
    }

    pub async fn describe(&mut self, name: &str) -> Result<Table, CopyError> {
        self.side.begin().await.map_err(CopyError::Target)?;
        let table = describe(&mut self.side, name, CopyError::Target).await?;
        self.commit().await.map_err(CopyError::Target)?;
        Ok(table)
    }

    /// Notes that a copy has begun, unless one had: every command and server refuses the
    /// database until it is finished.
    pub async fn begin_copy(&mut self, tables: &[Table]) -> sqlx::Result<()> {
        self.side.begin_to_write().await?;
        let create = format!(
            "create table if not exists {MARKER} (
                 name text primary key not null,
                 copied bigint not null,
                 checksum text not null
             )"
        );
        self.side.execute(&create).await?;
        let sql = format!(
            "insert into {MARKER} (name, copied, checksum) values ($1, 0, '')
             on conflict do nothing"
        );
        for table in tables {
            on_side!(&mut self.side, conn => {
                sqlx::query(&sql).bind(&table.name).execute(conn).await.map(drop)
            })?;
        }
        self.commit().await
    }

    /// How much of a table was copied.
    pub async fn done(&mut self, table: &Table) -> sqlx::Result<Done> {
        self.side.begin().await?;
        let done = self.noted(table).await?;
        self.commit().await?;
        Ok(done)
    }

    async fn noted(&mut self, table: &Table) -> sqlx::Result<Done> {
        let sql = format!("select copied, checksum from {MARKER} where name = $1");
        let (rows, checksum): (i64, String) = on_side!(&mut self.side, conn => {
            sqlx::query_as(&sql).bind(&table.name).fetch_one(conn).await
        })?;
        let rows = u64::try_from(rows).unwrap_or_default();
        Ok(Done { rows, checksum })
    }

    /// Inserts rows, and notes how many are there now, in one transaction.
    pub async fn insert(
        &mut self,
        table: &Table,
        rows: &mut Vec<Vec<Value>>,
        before: u64,
        after: &Checksum,
    ) -> Result<(), CopyError> {
        self.side
            .begin_to_write()
            .await
            .map_err(CopyError::Target)?;
        let inserted = self.insert_rows(table, rows).await;
        inserted.map_err(|error| match is_unavailable(&error) {
            true => CopyError::Target(error),
            false => CopyError::Refused {
                table: table.name.clone(),
                error,
            },
        })?;
        let done = self.note(table, before, after).await;
        if !done.map_err(CopyError::Target)? {
            return Err(CopyError::TwoMoves);
        }
        self.commit().await.map_err(CopyError::Target)
    }

    async fn insert_rows(&mut self, table: &Table, rows: &mut Vec<Vec<Value>>) -> sqlx::Result<()> {
        let insert = table.insert(self.is_postgres());
        match &mut self.side {
            Side::Sqlite(conn) => insert_rows!(Sqlite, insert, rows, conn),
            Side::Postgres { conn, .. } => insert_rows!(Postgres, insert, rows, conn),
        }
    }

    /// False when somebody else has copied rows of the table meanwhile.
    async fn note(&mut self, table: &Table, before: u64, after: &Checksum) -> sqlx::Result<bool> {
        let sql = format!(
            "update {MARKER} set copied = $1, checksum = $2 where name = $3 and copied = $4"
        );
        let [before, rows] = [before, after.rows].map(|rows| i64::try_from(rows).unwrap_or(-1));
        on_side!(&mut self.side, conn => sqlx::query(&sql)
            .bind(rows)
            .bind(after.to_string())
            .bind(&table.name)
            .bind(before)
            .execute(conn)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    /// Deletes every row that was copied, to start over.
    pub async fn clear(&mut self, tables: &[Table]) -> sqlx::Result<()> {
        self.side.begin_to_write().await?;
        for table in tables.iter().rev() {
            let sql = format!("delete from {}", quoted(&table.name));
            self.side.execute(&sql).await?;
        }
        let sql = format!("update {MARKER} set copied = 0, checksum = ''");
        self.side.execute(&sql).await?;
        self.commit().await
    }

    /// The rows that are really there.
    pub async fn checksum(
        &mut self,
        table: &Table,
        mut each: impl FnMut(),
    ) -> Result<Checksum, CopyError> {
        let sql = table.select(self.is_postgres());
        let mut checksum = Checksum::default();
        self.side.begin().await.map_err(CopyError::Target)?;
        let failed = unreadable(table, CopyError::Target);
        let mut rows = self.side.rows(&sql, table);
        while let Some(row) = rows.try_next().await.map_err(&failed)? {
            checksum.add(&row);
            each();
        }
        drop(rows);
        self.commit().await.map_err(CopyError::Target)?;
        Ok(checksum)
    }

    /// Has the identity columns of PostgreSQL go on after the highest number that was copied;
    /// SQLite does so by itself.
    pub async fn continue_numbers(&mut self, tables: &[Table]) -> sqlx::Result<()> {
        if !self.is_postgres() {
            return Ok(());
        }
        self.side.begin_to_write().await?;
        for table in tables {
            let integers = table.columns.iter().filter(|c| c.kind == Kind::Integer);
            for column in integers {
                self.continue_number(&quoted(&table.name), &column.name)
                    .await?;
            }
        }
        self.commit().await
    }

    async fn continue_number(&mut self, table: &str, column: &str) -> sqlx::Result<()> {
        let find = "select pg_get_serial_sequence($1, $2)";
        let sequence: Option<String> = on_side!(&mut self.side, conn => {
            sqlx::query_scalar(find).bind(table).bind(column).fetch_one(conn).await
        })?;
        let Some(sequence) = sequence else {
            return Ok(());
        };
        let sql = format!(
            "select setval($1::regclass, max({0}), true) from {table} having max({0}) > 0",
            quoted(column)
        );
        on_side!(&mut self.side, conn => {
            sqlx::query(&sql).bind(sequence).execute(conn).await.map(drop)
        })
    }

    /// Opens the database to servers, if what was compared is still what has been copied: another
    /// move may have started over since.
    pub async fn finish(&mut self, tables: &[Table], copied: &[Copied]) -> Result<(), CopyError> {
        let failed = CopyError::Target;
        self.side.begin_to_write().await.map_err(failed)?;
        if self.is_postgres() {
            let lock = format!("lock table {MARKER} in access exclusive mode");
            self.side.execute(&lock).await.map_err(failed)?;
        }
        for (table, Copied { checksum, .. }) in tables.iter().zip(copied) {
            let done = self.noted(table).await.map_err(failed)?;
            if done.rows != checksum.rows || !done.is_part_of(checksum) {
                return Err(CopyError::TwoMoves);
            }
        }
        if self.is_postgres() {
            // Without it the first queries would be planned for empty tables.
            for table in tables {
                let sql = format!("analyze {}", quoted(&table.name));
                self.side.execute(&sql).await.map_err(failed)?;
            }
        }
        let drop = format!("drop table {MARKER}");
        self.side.execute(&drop).await.map_err(failed)?;
        self.commit().await.map_err(failed)
    }

    async fn commit(&mut self) -> sqlx::Result<()> {
        self.side.execute("commit").await
    }

    pub async fn close(self) -> sqlx::Result<()> {
        self.side.close().await
    }
}
