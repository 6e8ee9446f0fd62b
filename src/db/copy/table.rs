//! Tables and their columns, and the statements for their rows.

use super::{error::CopyError, value::Kind};

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// A table, its columns sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order.
    pub key: Vec<String>,
}

impl Table {
    /// Fails unless both databases have the same columns: one that an operator has added would
    /// be lost.
    pub fn same_as(self, other: &Self) -> Result<Self, CopyError> {
        let beside = |a: &Self, b: &Self| {
            let only = a
                .columns
                .iter()
                .filter(|column| !b.columns.contains(column));
            only.map(|column| column.name.clone()).collect::<Vec<_>>()
        };
        let mut differing = beside(&self, other);
        differing.extend(beside(other, &self));
        differing.sort();
        differing.dedup();
        if differing.is_empty() {
            return Ok(self);
        }
        Err(CopyError::OtherColumns {
            table: self.name,
            differing: differing.join(", "),
        })
    }

    /// The statement that reads every row.
    pub fn select(&self, is_postgres: bool) -> String {
        let columns = self.columns.iter().map(|column| {
            let name = quoted(&column.name);
            // It has integers of three sizes.
            match column.kind {
                Kind::Integer if is_postgres => format!("{name}::bigint"),
                _ => name,
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        format!("select {columns} from {}", quoted(&self.name))
    }

    /// As [`select`](Self::select), in an order that stays the same while no row is changed.
    pub fn select_in_order(&self, is_postgres: bool) -> String {
        let key: Vec<_> = self.key.iter().map(|column| quoted(column)).collect();
        format!("{} order by {}", self.select(is_postgres), key.join(", "))
    }

    /// The statement that inserts rows, up to their values.
    pub fn insert(&self, is_postgres: bool) -> String {
        let columns: Vec<_> = self
            .columns
            .iter()
            .map(|column| quoted(&column.name))
            .collect();
        let table = quoted(&self.name);
        let columns = columns.join(", ");
        // PostgreSQL would number the rows of an identity column anew.
        let overriding = if is_postgres {
            "overriding system value "
        } else {
            ""
        };
        format!("insert into {table} ({columns}) {overriding}")
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
