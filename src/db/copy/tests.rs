#![expect(clippy::unwrap_used, reason = "a test may panic")]

use futures_util::TryStreamExt;
use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    Checksum, CopyError, Step, copy,
    describe::describe,
    side::{Side, on_side},
    value::Value,
};
use crate::{clock::Timestamp, db::DatabaseUrl};

/// A column of every kind that is copied, and a numbered key.
const SQLITE_TABLE: &str = "create table odd_values (
    number integer primary key autoincrement, a_uuid uuid, a_text text, some_bytes bytea,
    an_integer bigint, a_boolean boolean, a_time timestamptz)";
const POSTGRES_TABLE: &str = "create table odd_values (
    number bigint generated always as identity primary key, a_uuid uuid, a_text text,
    some_bytes bytea, an_integer bigint, a_boolean boolean, a_time timestamptz)";

/// One of the two databases, with the table.
struct Odd {
    url: DatabaseUrl,
    _folder: TempDir,
}

impl Odd {
    async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        std::fs::write(&file, "").unwrap();
        let url = format!("sqlite://{}", file.display()).parse().unwrap();
        Self::with_table(url, folder, SQLITE_TABLE).await
    }

    /// A schema of its own; none where no PostgreSQL is there for tests.
    async fn on_postgres() -> Option<Self> {
        let server = std::env::var("TEST_POSTGRES_URL").ok()?;
        let schema = format!("odd_{}", Uuid::from_u128(rand::random()).simple());
        let mut side = Side::connect(&server.parse().unwrap()).await.unwrap();
        side.execute(&format!("create schema {schema}"))
            .await
            .unwrap();
        let url = format!("{server}&options[search_path]={schema}")
            .parse()
            .unwrap();
        Some(Self::with_table(url, tempfile::tempdir().unwrap(), POSTGRES_TABLE).await)
    }

    async fn with_table(url: DatabaseUrl, folder: TempDir, create: &str) -> Self {
        let odd = Self {
            url,
            _folder: folder,
        };
        odd.side().await.execute(create).await.unwrap();
        odd
    }

    async fn side(&self) -> Side {
        Side::connect(&self.url).await.unwrap()
    }

    async fn rows(&self) -> Vec<Vec<Value>> {
        let mut side = self.side().await;
        let table = describe(&mut side, "odd_values", CopyError::Source).await;
        let table = table.unwrap();
        let sql = table.select_in_order(side.is_postgres());
        let rows = side.rows(&sql, &table).try_collect();
        rows.await.unwrap()
    }
}

/// What a row holds, and which of it is null.
type OddRow = (u128, String, Vec<u8>, i64, bool, i64, u8);

fn any_row() -> impl Strategy<Value = OddRow> {
    // PostgreSQL's text has no NUL, and the routes refuse it; times are those of both databases.
    let text = any::<String>().prop_map(|text| text.replace('\0', ""));
    let micros = -62_000_000_000_000_000_i64..253_402_300_799_999_999;
    (
        any::<u128>(),
        text,
        any::<Vec<u8>>(),
        any::<i64>(),
        any::<bool>(),
        micros,
        any::<u8>(),
    )
}

/// Inserts rows as the app does, some of whose values are null.
async fn insert(odd: &Odd, count: usize) {
    let mut runner = TestRunner::deterministic();
    let mut side = odd.side().await;
    for _ in 0..count {
        let row = any_row().new_tree(&mut runner).unwrap().current();
        let (id, text, bytes, integer, boolean, micros, nulls) = row;
        let unless = |bit: u8| nulls & (1 << bit) == 0 || nulls >= 128;
        on_side!(&mut side, conn => sqlx::query(
            "insert into odd_values
                 (a_uuid, a_text, some_bytes, an_integer, a_boolean, a_time)
             values ($1, $2, $3, $4, $5, $6)",
        )
        .bind(unless(0).then(|| Uuid::from_u128(id)))
        .bind(unless(1).then_some(text))
        .bind(unless(2).then_some(bytes))
        .bind(unless(3).then_some(integer))
        .bind(unless(4).then_some(boolean))
        .bind(unless(5).then(|| Timestamp::from_unix_micros(micros)))
        .execute(conn)
        .await
        .map(drop))
        .unwrap();
    }
}

#[tokio::test]
async fn any_value_is_the_same_in_both_databases() {
    let Some(postgres) = Odd::on_postgres().await else {
        return;
    };
    let sqlite = Odd::on_sqlite().await;
    insert(&sqlite, 600).await;
    let there = copy(&sqlite.url, &postgres.url, &["odd_values"], &mut |_| {})
        .await
        .unwrap();
    let rows = sqlite.rows().await;
    assert_eq!(rows.len(), 600);
    assert_eq!(postgres.rows().await, rows);

    // The numbers go on where they were.
    let next = "insert into odd_values (a_text) values ('next')";
    postgres.side().await.execute(next).await.unwrap();
    let number = |rows: &[Vec<Value>]| rows.last().unwrap()[5].clone();
    assert_eq!(number(&postgres.rows().await), Value::Integer(Some(601)));

    let back = Odd::on_sqlite().await;
    let here = copy(&postgres.url, &back.url, &["odd_values"], &mut |_| {})
        .await
        .unwrap();
    assert_ne!(here[0].checksum, there[0].checksum);
    assert_eq!(back.rows().await, postgres.rows().await);
    back.side()
        .await
        .execute("delete from odd_values where number = 601")
        .await
        .unwrap();
    assert_eq!(back.rows().await, rows);
    back.side().await.execute(next).await.unwrap();
    assert_eq!(number(&back.rows().await), Value::Integer(Some(602)));
}

#[tokio::test]
async fn as_the_app_itself_reads_them() {
    let Some(postgres) = Odd::on_postgres().await else {
        return;
    };
    let sqlite = Odd::on_sqlite().await;
    insert(&postgres, 100).await;
    copy(&postgres.url, &sqlite.url, &["odd_values"], &mut |_| {})
        .await
        .unwrap();
    type Row = (
        Option<Uuid>,
        Option<String>,
        Option<Vec<u8>>,
        Option<bool>,
        Option<Timestamp>,
    );
    let sql = "select a_uuid, a_text, some_bytes, a_boolean, a_time from odd_values
               order by number";
    let mut read: Vec<Vec<Row>> = Vec::new();
    for odd in [&sqlite, &postgres] {
        let mut side = odd.side().await;
        let rows = on_side!(&mut side, conn => sqlx::query_as(sql).fetch_all(conn).await);
        read.push(rows.unwrap());
    }
    assert_eq!(read[0].len(), 100);
    assert_eq!(read[0], read[1]);
}

/// Its `clear` comes after the last row was compared.
#[tokio::test]
async fn another_move_that_starts_over_at_the_end_is_noticed() {
    let source = Odd::on_sqlite().await;
    insert(&source, 10).await;
    let target = Odd::on_sqlite().await;
    let mut rows = 0;
    let other = target.url.clone();
    let mut clear_at_the_end = |step| {
        rows += u32::from(step == Step::Row);
        if rows < 20 {
            return;
        }
        let other = other.clone();
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let mut side = Side::connect(&other).await.unwrap();
                for sql in [
                    "delete from odd_values",
                    "update _handstamp_move set copied = 0, checksum = ''",
                ] {
                    side.execute(sql).await.unwrap();
                }
                side.close().await.unwrap();
            });
        });
        cleared.join().unwrap();
    };
    let names = ["odd_values"];
    let copied = copy(&source.url, &target.url, &names, &mut clear_at_the_end);
    let refused = copied.await.unwrap_err();
    assert!(matches!(refused, CopyError::TwoMoves), "{refused:?}");
    let mut side = target.side().await;
    assert_eq!(side.count("_handstamp_move").await.unwrap(), 1);
}

#[tokio::test]
async fn no_timeout_of_the_operators_stops_a_copy() {
    let Ok(server) = std::env::var("TEST_POSTGRES_URL") else {
        return;
    };
    let url = format!("{server}&options[statement_timeout]=9s");
    let mut side = Side::connect(&url.parse().unwrap()).await.unwrap();
    side.begin_to_write().await.unwrap();
    let show = "show statement_timeout";
    let shown =
        on_side!(&mut side, conn => sqlx::query_scalar::<_, String>(show).fetch_one(conn).await);
    assert_eq!(shown.unwrap(), "0");
}

proptest! {
    #[test]
    fn a_checksum_depends_on_every_value_and_not_on_the_order(
        mut rows in prop::collection::vec(any_row(), 2..20),
        at in any::<prop::sample::Index>(),
    ) {
        let sum = |rows: &[OddRow]| {
            let mut checksum = Checksum::default();
            for (id, text, bytes, integer, boolean, micros, _) in rows {
                checksum.add(&[
                    Value::Uuid(Some(Uuid::from_u128(*id))),
                    Value::Text(Some(text.clone())),
                    Value::Bytes(Some(bytes.clone())),
                    Value::Integer(Some(*integer)),
                    Value::Boolean(Some(*boolean)),
                    Value::Time(Some(Timestamp::from_unix_micros(*micros))),
                ]);
            }
            checksum
        };
        let whole = sum(&rows);
        rows.reverse();
        prop_assert_eq!(sum(&rows), whole);
        let index = at.index(rows.len());
        rows[index].4 ^= true;
        prop_assert_ne!(sum(&rows), whole);
        rows[index].4 ^= true;
        rows[index].1.push('x');
        prop_assert_ne!(sum(&rows), whole);
        rows.remove(index);
        prop_assert_ne!(sum(&rows), whole);
    }
}

#[test]
fn values_of_different_kinds_and_nulls_do_not_hash_alike() {
    let rows = [
        vec![Value::Text(None), Value::Text(Some(String::new()))],
        vec![Value::Text(Some(String::new())), Value::Text(None)],
        vec![
            Value::Text(Some("ab".into())),
            Value::Text(Some("c".into())),
        ],
        vec![
            Value::Text(Some("a".into())),
            Value::Text(Some("bc".into())),
        ],
        vec![
            Value::Bytes(Some(b"a".into())),
            Value::Bytes(Some(b"bc".into())),
        ],
        vec![Value::Integer(Some(1)), Value::Integer(Some(0))],
        vec![Value::Boolean(Some(true)), Value::Boolean(Some(false))],
        vec![
            Value::Time(Some(Timestamp::from_unix_micros(1))),
            Value::Integer(Some(0)),
        ],
    ];
    let sums: std::collections::HashSet<String> = rows
        .iter()
        .map(|row| {
            let mut checksum = Checksum::default();
            checksum.add(row);
            checksum.to_string()
        })
        .collect();
    assert_eq!(sums.len(), rows.len());
}
