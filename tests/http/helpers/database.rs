use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{
    PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tempfile::TempDir;
use tokio::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    /// PostgreSQL behind PgBouncer in transaction mode.
    PgBouncer,
}

/// A database for one test, and a connection to inspect it without the server.
pub struct Database {
    pub url: String,
    /// Where it is inspected, when not at `url`.
    direct_url: Option<String>,
    pool: Mutex<Option<Pool>>,
    _folder: Option<TempDir>,
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs one statement on either database.
macro_rules! on_pool {
    ($database:expr, $conn:ident => $statement:expr) => {
        match &$database.pool().await {
            Pool::Sqlite($conn) => $statement,
            Pool::Postgres($conn) => $statement,
        }
    };
}

impl Database {
    pub async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/test.db", folder.path().display());
                Self {
                    _folder: Some(folder),
                    ..Self::at(&url)
                }
            }
            Kind::Postgres => {
                let server = variable("TEST_POSTGRES_URL");
                Self::at(&new_postgres_database(&server).await.0)
            }
            Kind::PgBouncer => {
                let server = variable("TEST_POSTGRES_URL");
                let (direct_url, name) = new_postgres_database(&server).await;
                Self {
                    direct_url: Some(direct_url),
                    ..Self::at(&with_name(&variable("TEST_PGBOUNCER_URL"), &name))
                }
            }
        }
    }

    /// Two on the server that may be restarted, the second behind PgBouncer.
    pub async fn on_server_to_restart() -> [Self; 2] {
        let server = variable("TEST_POSTGRES_TO_RESTART_URL");
        let (direct, _) = new_postgres_database(&server).await;
        create_database(&server, "to_restart").await;
        let bounced = with_name(&variable("TEST_PGBOUNCER_URL"), "to_restart");
        [Self::at(&direct), Self::at(&bounced)]
    }

    /// An existing database.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            direct_url: None,
            pool: Mutex::default(),
            _folder: None,
        }
    }

    async fn pool(&self) -> Pool {
        let mut pool = self.pool.lock().await;
        if let Some(pool) = &*pool {
            return pool.clone();
        }
        let connected = match self.url.starts_with("sqlite") {
            true => Pool::Sqlite(SqlitePool::connect(&self.url).await.unwrap()),
            false => {
                let pool = PgPoolOptions::new()
                    .max_connections(2)
                    .connect(self.direct_url.as_ref().unwrap_or(&self.url))
                    .await;
                Pool::Postgres(pool.unwrap())
            }
        };
        pool.insert(connected).clone()
    }

    pub async fn count(&self, from_where: &str) -> i64 {
        let sql = format!("select count(*) from {from_where}");
        on_pool!(self, pool => sqlx::query_scalar(&sql).fetch_one(pool).await.unwrap())
    }

    /// Inserts so many users, far quicker than signing them up.
    pub async fn add_users(&self, count: u32) {
        let (numbers, id, at) = match self.pool().await {
            Pool::Sqlite(_) => (
                format!(
                    "(with recursive counted (i) as (select 1 union all select i + 1 from counted
                      where i < {count}) select i from counted)"
                ),
                "randomblob(16)",
                "'2026-01-31T12:00:00.123456Z'",
            ),
            Pool::Postgres(_) => (
                format!("generate_series(1, {count}) as counted (i)"),
                "gen_random_uuid()",
                "timestamptz '2026-01-31 12:00:00.123456Z'",
            ),
        };
        let insert = format!(
            "insert into users (id, username, username_key, created_at)
             select {id}, 'User' || i, 'user' || i, {at} from {numbers}"
        );
        self.execute(&insert).await;
    }

    /// Closes the connection that inspects it, until it is inspected again.
    pub async fn close(&self) {
        match self.pool.lock().await.take() {
            Some(Pool::Sqlite(pool)) => pool.close().await,
            Some(Pool::Postgres(pool)) => pool.close().await,
            None => {}
        }
    }

    /// Begins a transaction, which is rolled back when it is dropped.
    pub async fn begin_postgres(&self) -> Transaction<'static, Postgres> {
        match self.pool().await {
            Pool::Sqlite(_) => panic!("this is not PostgreSQL"),
            Pool::Postgres(pool) => pool.begin().await.unwrap(),
        }
    }

    /// Polls until the count is reached: background writes arrive a little later.
    pub async fn count_until(&self, from_where: &str, expected: i64) {
        for _ in 0..500 {
            if self.count(from_where).await == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("never {expected}: {from_where}");
    }

    /// The size of the database, on disk.
    pub async fn bytes(&self) -> i64 {
        let sql = match self.pool().await {
            Pool::Sqlite(_) => {
                "select page_count * page_size from pragma_page_count(), pragma_page_size()"
            }
            Pool::Postgres(_) => "select pg_database_size(current_database())",
        };
        on_pool!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap())
    }

    pub async fn execute(&self, sql: &str) {
        on_pool!(self, pool => sqlx::query(sql).execute(pool).await.map(drop).unwrap());
    }

    /// The record of the only session there is.
    pub async fn only_record(&self) -> tower_sessions::session::Record {
        let data: Vec<u8> = on_pool!(self, pool => sqlx::query_scalar("select data from sessions")
            .fetch_one(pool).await.unwrap());
        rmp_serde::from_slice(&data).unwrap()
    }

    /// How many bytes the record of the only session takes.
    pub async fn only_record_length(&self) -> usize {
        let length: i32 = on_pool!(self, pool => sqlx::query_scalar("select length(data) from sessions")
            .fetch_one(pool).await.unwrap());
        usize::try_from(length).unwrap()
    }

    pub async fn text(&self, sql: &str) -> Option<String> {
        on_pool!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap())
    }

    /// The tables, whoever has made them.
    pub async fn tables(&self) -> Vec<String> {
        let sql = match self.pool().await {
            Pool::Sqlite(_) => "select name from sqlite_schema where type = 'table'",
            Pool::Postgres(_) => {
                "select tablename::text from pg_tables where schemaname = current_schema()"
            }
        };
        on_pool!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await.unwrap())
    }

    /// Every column of every row of a table; bytes in hexadecimal.
    pub async fn rows_as_text(&self, table: &str) -> String {
        let sql = match self.pool().await {
            Pool::Sqlite(pool) => {
                let columns = format!("select name from pragma_table_info('{table}')");
                let columns: Vec<String> =
                    sqlx::query_scalar(&columns).fetch_all(&pool).await.unwrap();
                let quoted = columns.iter().map(|column| format!("quote(\"{column}\")"));
                let quoted = quoted.collect::<Vec<_>>().join(" || ' ' || ");
                format!("select group_concat({quoted}, char(10)) from {table}")
            }
            Pool::Postgres(_) => format!("select string_agg(t::text, E'\\n') from {table} t"),
        };
        self.text(&sql).await.unwrap_or_default()
    }

    /// The query plan of a statement with parameters.
    pub async fn plan(&self, sql: &str) -> String {
        match self.pool().await {
            Pool::Sqlite(pool) => {
                let sql = format!("explain query plan {sql}");
                let rows: Vec<(i64, i64, i64, String)> =
                    sqlx::query_as(&sql).fetch_all(&pool).await.unwrap();
                rows.into_iter().map(|row| row.3 + "\n").collect()
            }
            Pool::Postgres(pool) => {
                // It would scan a table as small as a test's, whatever the index.
                let mut conn = pool.acquire().await.unwrap();
                sqlx::raw_sql("set enable_seqscan = off; set enable_bitmapscan = off")
                    .execute(&mut *conn)
                    .await
                    .unwrap();
                let prepare = format!("deallocate all; prepare asked as {sql}");
                sqlx::raw_sql(&prepare).execute(&mut *conn).await.unwrap();
                let parameters = (1..=9).filter(|number| sql.contains(&format!("${number}")));
                let nulls = vec!["null"; parameters.count()];
                let explain = format!(
                    "set plan_cache_mode = force_generic_plan; explain execute asked({})",
                    nulls.join(", ")
                );
                let rows = sqlx::raw_sql(&explain).fetch_all(&mut *conn).await.unwrap();
                rows.iter()
                    .map(|row| row.get::<String, _>(0) + "\n")
                    .collect()
            }
        }
    }

    /// Takes SQLite's write lock, as another process would, until dropped.
    pub async fn lock_sqlite(&self) -> Transaction<'static, Sqlite> {
        match self.pool().await {
            Pool::Sqlite(pool) => pool.begin_with("begin immediate").await.unwrap(),
            Pool::Postgres(_) => panic!("this is not SQLite"),
        }
    }

    /// The result of SQLite's integrity check; PostgreSQL has none.
    pub async fn integrity_check(&self) -> String {
        self.text("pragma integrity_check").await.unwrap()
    }
}

/// Set by `scripts/test`, which starts what it names.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/test sets it"))
}

fn with_name(server: &str, name: &str) -> String {
    server.replace("/postgres?", &format!("/{name}?"))
}

/// A new database on a server: its URL and name.
async fn new_postgres_database(server: &str) -> (String, String) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    create_database(server, &name).await;
    (with_name(server, &name), name)
}

async fn create_database(server: &str, name: &str) {
    let options: PgConnectOptions = server.parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::query(&format!("create database {name} template template0"))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}
