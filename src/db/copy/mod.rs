//! Copies every row from one database to another, whichever two they are.
//!
//! Rows are streamed in the order of their keys and inserted in batches; each batch notes, in its
//! own transaction, how many rows of the table are there, and their checksum. A copy that was
//! interrupted reads the source from its start, and goes on inserting after as many rows if those
//! still have that checksum; else the source was changed, and the copy starts over. At the end
//! every row of the target is read back.

mod checksum;
mod describe;
mod error;
mod inspect;
mod side;
mod source;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod value;

use futures_util::TryStreamExt;

pub(crate) use self::{
    checksum::Checksum,
    error::CopyError,
    inspect::{TargetState, is_same, other_tables, target_state, wrong_schema},
};
use self::{
    source::{Source, unreadable},
    table::Table,
    target::Target,
    value::Value,
};
use super::DatabaseUrl;

/// A batch is inserted once it has so many rows,
const BATCH_ROWS: usize = 1_000;
/// or so many bytes, as a session's values may take 64 KiB.
const BATCH_BYTES: usize = 4 << 20;

/// The progress of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many rows will be read twice: from the source, and back from the target.
    Begin { rows: u64 },
    /// One row was read.
    Row,
    /// The source was changed since the last attempt.
    StartOver,
}

/// A table whose rows are the same in both databases.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    pub table: String,
    pub checksum: Checksum,
}

/// Copies these tables, in this order, and compares them. Both databases are migrated.
pub(crate) async fn copy(
    source: &DatabaseUrl,
    target: &DatabaseUrl,
    names: &[&str],
    report: &mut (dyn FnMut(Step) + Send),
) -> Result<Vec<Copied>, CopyError> {
    let mut source = Source::open(source, names).await?;
    let mut target = Target::open(target).await.map_err(CopyError::Target)?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let table = source.describe(name).await?;
        tables.push(table.same_as(&target.describe(name).await?)?);
    }
    let rows = source.count(&tables).await?;
    report(Step::Begin { rows });
    target
        .begin_copy(&tables)
        .await
        .map_err(CopyError::Target)?;
    let copied = match copy_tables(&mut source, &mut target, &tables, report).await? {
        Some(copied) => copied,
        None => {
            report(Step::StartOver);
            report(Step::Begin { rows });
            target.clear(&tables).await.map_err(CopyError::Target)?;
            let copied = copy_tables(&mut source, &mut target, &tables, report).await?;
            copied.ok_or(CopyError::TwoMoves)?
        }
    };
    compare(&mut target, &tables, &copied, report).await?;
    let failed = CopyError::Target;
    target.continue_numbers(&tables).await.map_err(failed)?;
    target.finish(&tables, &copied).await?;
    // Not before: a server that was forgotten writes again from here on.
    source.close().await;
    target.close().await.map_err(failed)?;
    Ok(copied)
}

/// None when rows that were copied earlier are no longer those of the source.
async fn copy_tables(
    source: &mut Source,
    target: &mut Target,
    tables: &[Table],
    report: &mut (dyn FnMut(Step) + Send),
) -> Result<Option<Vec<Copied>>, CopyError> {
    let mut copied = Vec::with_capacity(tables.len());
    for table in tables {
        match copy_table(source, target, table, report).await? {
            None => return Ok(None),
            Some(checksum) => copied.push(Copied {
                table: table.name.clone(),
                checksum,
            }),
        }
    }
    Ok(Some(copied))
}

async fn copy_table(
    source: &mut Source,
    target: &mut Target,
    table: &Table,
    report: &mut (dyn FnMut(Step) + Send),
) -> Result<Option<Checksum>, CopyError> {
    let done = target.done(table).await.map_err(CopyError::Target)?;
    let sql = table.select_in_order(source.side.is_postgres());
    let failed = unreadable(table, CopyError::Source);
    let mut stream = source.side.rows(&sql, table);
    let mut checksum = Checksum::default();
    let mut batch = Batch::default();
    while let Some(row) = stream.try_next().await.map_err(&failed)? {
        report(Step::Row);
        if checksum.rows == done.rows && !done.is_part_of(&checksum) {
            return Ok(None);
        }
        checksum.add(&row);
        if checksum.rows <= done.rows {
            continue;
        }
        batch.push(row);
        if batch.is_full() {
            batch.insert(target, table, &checksum).await?;
        }
    }
    drop(stream);
    if checksum.rows < done.rows || (checksum.rows == done.rows && !done.is_part_of(&checksum)) {
        return Ok(None);
    }
    batch.insert(target, table, &checksum).await?;
    Ok(Some(checksum))
}

impl target::Done {
    /// Whether the first rows of the source, which have this checksum, are those that were
    /// copied.
    fn is_part_of(&self, first: &Checksum) -> bool {
        self.rows == 0 || self.checksum == first.to_string()
    }
}

/// Rows to be inserted together.
#[derive(Default)]
struct Batch {
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, row: Vec<Value>) {
        self.bytes += row.iter().map(Value::size).sum::<usize>();
        self.rows.push(row);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    async fn insert(
        &mut self,
        target: &mut Target,
        table: &Table,
        after: &Checksum,
    ) -> Result<(), CopyError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let before = after.rows - self.rows.len() as u64;
        self.bytes = 0;
        target.insert(table, &mut self.rows, before, after).await
    }
}

/// Reads the target's rows back. Where they differ, somebody else has written to it.
async fn compare(
    target: &mut Target,
    tables: &[Table],
    copied: &[Copied],
    report: &mut (dyn FnMut(Step) + Send),
) -> Result<(), CopyError> {
    for (table, Copied { checksum, .. }) in tables.iter().zip(copied) {
        let there = target.checksum(table, || report(Step::Row)).await?;
        if there != *checksum {
            return Err(CopyError::Differs {
                table: table.name.clone(),
                source_rows: checksum.rows,
                source_sum: checksum.to_string(),
                target_rows: there.rows,
                target_sum: there.to_string(),
            });
        }
    }
    Ok(())
}
