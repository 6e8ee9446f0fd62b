//! A connection to either database.

use futures_util::{StreamExt, stream::BoxStream};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};

use super::{
    table::{Column, Table},
    value::Value,
};
use crate::db::{
    DatabaseUrl,
    postgres::{begin_sql, server_kind},
    sqlite::BUSY_TIMEOUT,
};

/// One of the two databases of a copy: a connection of its own, beside every pool.
#[derive(Debug)]
pub(super) enum Side {
    Sqlite(SqliteConnection),
    Postgres {
        conn: PgConnection,
        /// How a transaction begins.
        begin: &'static str,
    },
}

/// Runs a statement on either.
macro_rules! on_side {
    ($side:expr, $conn:ident => $statement:expr) => {
        match $side {
            $crate::db::copy::side::Side::Sqlite($conn) => {
                let $conn = &mut *$conn;
                $statement
            }
            $crate::db::copy::side::Side::Postgres { conn: $conn, .. } => {
                let $conn = &mut *$conn;
                $statement
            }
        }
    };
}

pub(super) use on_side;

/// A value of a row that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// None when the row itself could not be had.
    pub column: Option<String>,
    pub error: sqlx::Error,
}

impl Side {
    /// Connects; a missing SQLite file is an error.
    pub async fn connect(url: &DatabaseUrl) -> sqlx::Result<Self> {
        Ok(match url {
            DatabaseUrl::Sqlite(file) => {
                let file = file.clone().create_if_missing(false);
                // Reading a table takes long, which is no news.
                let file = file.foreign_keys(true).busy_timeout(BUSY_TIMEOUT);
                Self::Sqlite(file.disable_statement_logging().connect().await?)
            }
            DatabaseUrl::Postgres(server) => {
                let server = server.clone().extra_float_digits(None);
                let begin = begin_sql(server_kind(&server).await?.is_stateless).unwrap_or("begin");
                let conn = server.disable_statement_logging().connect().await?;
                Self::Postgres { conn, begin }
            }
        })
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }

    /// Begins a transaction. On PostgreSQL every statement is in one: behind PgBouncer the next
    /// may reach another connection.
    pub async fn begin(&mut self) -> sqlx::Result<()> {
        let begin = match self {
            Self::Sqlite(_) => "begin".to_owned(),
            // Reading a table back takes longer than an operator allows a server's statements.
            Self::Postgres { begin, .. } => format!(
                "{begin};
                 set local statement_timeout = 0;
                 set local idle_in_transaction_session_timeout = 0"
            ),
        };
        self.execute(&begin).await
    }

    /// Begins a transaction that will write.
    pub async fn begin_to_write(&mut self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(_) => self.execute("begin immediate").await,
            Self::Postgres { .. } => self.begin().await,
        }
    }

    pub async fn execute(&mut self, sql: &str) -> sqlx::Result<()> {
        on_side!(self, conn => conn.execute(sql).await.map(drop))
    }

    pub async fn count(&mut self, table: &str) -> sqlx::Result<u64> {
        let sql = format!("select count(*) from {table}");
        let count: i64 = on_side!(self, conn => sqlx::query_scalar(&sql).fetch_one(conn).await)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The tables that are not the database's own: on PostgreSQL those of the schema in which
    /// ours are.
    pub async fn tables(&mut self) -> sqlx::Result<Vec<String>> {
        let sql = match self.is_postgres() {
            false => {
                "select name from sqlite_schema
                 where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name"
            }
            true => {
                "select c.relname::text from pg_class c
                 join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = current_schema() and c.relkind in ('r', 'p') order by 1"
            }
        };
        on_side!(self, conn => sqlx::query_scalar(sql).fetch_all(conn).await)
    }

    /// The rows of a table, in the order of its key when `is_ordered`.
    pub fn rows<'c>(
        &'c mut self,
        sql: &'c str,
        table: &'c Table,
    ) -> BoxStream<'c, Result<Vec<Value>, Unreadable>> {
        let lost = |error| Unreadable {
            column: None,
            error,
        };
        match self {
            Self::Sqlite(conn) => sqlx::query(sql)
                .fetch(conn)
                .map(move |row| read(&row.map_err(lost)?, &table.columns, Value::of_sqlite))
                .boxed(),
            Self::Postgres { conn, .. } => sqlx::query(sql)
                .fetch(conn)
                .map(move |row| read(&row.map_err(lost)?, &table.columns, Value::of_postgres))
                .boxed(),
        }
    }

    pub async fn close(self) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres { conn, .. } => conn.close().await,
        }
    }
}

fn read<R>(
    row: &R,
    columns: &[Column],
    value: impl Fn(&R, usize, super::value::Kind) -> sqlx::Result<Value>,
) -> Result<Vec<Value>, Unreadable> {
    let values = columns.iter().enumerate().map(|(index, column)| {
        value(row, index, column.kind).map_err(|error| Unreadable {
            column: Some(column.name.clone()),
            error,
        })
    });
    values.collect()
}
