//! Tables as the database itself describes them.

use super::{
    error::CopyError,
    side::{Side, on_side},
    table::{Column, Table},
    value::Kind,
};

const SQLITE_COLUMNS: &str = "select name, type, pk from pragma_table_info($1)";
const POSTGRES_COLUMNS: &str = "
    select a.attname::text, format_type(a.atttypid, null),
           coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid and c.relname = $1
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = current_schema()
    left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
    where a.attnum > 0 and not a.attisdropped";

/// The table of this name.
pub(super) async fn describe(
    side: &mut Side,
    name: &str,
    failed: fn(sqlx::Error) -> CopyError,
) -> Result<Table, CopyError> {
    let sql = match side.is_postgres() {
        false => SQLITE_COLUMNS,
        true => POSTGRES_COLUMNS,
    };
    let mut described: Vec<(String, String, i64)> = on_side!(side, conn => {
        sqlx::query_as(sql).bind(name).fetch_all(conn).await
    })
    .map_err(failed)?;
    described.sort();
    let mut key: Vec<_> = described
        .iter()
        .filter(|(_, _, place)| *place > 0)
        .collect();
    key.sort_by_key(|(_, _, place)| *place);
    let key = key.into_iter().map(|(column, ..)| column.clone()).collect();
    let columns = described
        .into_iter()
        .map(|(column, declared, _)| match Kind::of(&declared) {
            Some(kind) => Ok(Column { name: column, kind }),
            None => Err(CopyError::UnknownType {
                table: name.to_owned(),
                column,
                declared,
            }),
        });
    Ok(Table {
        name: name.to_owned(),
        columns: columns.collect::<Result<_, _>>()?,
        key,
    })
}
