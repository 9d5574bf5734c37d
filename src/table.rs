//! Data tables: rows of named columns.

use std::sync::Arc;

use litemap::LiteMap;
use serde_json::Value;

use crate::interned::Interned;

/// Rows of named columns; there is at least one. A clone is the same rows once more.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: Arc<[Row]>,
}

/// The values of one row by their columns' names. Rows that follow each other with the same columns share the names: a table may have
/// tens of thousands.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// In order, each once.
    columns: Arc<[Arc<str>]>,
    /// As many, in the same order.
    cells: Box<[Value]>,
}

impl Table {
    /// A table of these rows, if there are any.
    pub(crate) fn new(rows: Vec<Row>) -> Option<Self> {
        if rows.is_empty() { None } else { Some(Self { rows: rows.into() }) }
    }

    /// The rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

impl Row {
    /// The value in a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        let at = self.columns.binary_search_by(|name| (**name).cmp(column)).ok()?;
        self.cells.get(at)
    }

    /// The names of its columns, in order.
    pub fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    /// A row of the same columns, each cell made of the one here.
    pub(crate) fn map(&self, cell: impl FnMut(&Value) -> Value) -> Self {
        Self { columns: self.columns.clone(), cells: self.cells.iter().map(cell).collect() }
    }
}

/// The names of columns, each once, and the columns of the row before.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    names: Interned,
    last: Option<Arc<[Arc<str>]>>,
}

impl Columns {
    /// A row of these cells; of two of the same name the later one counts. A column that is not written in snake case, such as
    /// `Soft-TTL`, is there as `soft_ttl` too, unless there is one of that name.
    pub(crate) fn row(&mut self, cells: impl Iterator<Item = (impl AsRef<str>, Value)>) -> Row {
        let mut row: LiteMap<Arc<str>, Value> =
            cells.map(|(name, value)| (self.names.one(name.as_ref()), value)).collect();
        let is_snake = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let others = row.iter().filter(|(name, _)| !is_snake(name));
        let aliases: Vec<_> = others
            .map(|(name, value)| (self.names.one(&snake_case(name)), value.clone()))
            .filter(|(alias, _)| !row.contains_key(alias))
            .collect();
        row.extend(aliases);
        let known = self.last.take().filter(|last| last.iter().eq(row.keys()));
        let columns = known.unwrap_or_else(|| row.keys().cloned().collect());
        self.last = Some(columns.clone());
        Row { columns, cells: row.into_iter().map(|(_, value)| value).collect() }
    }
}

/// `softTtl`, `Soft-TTL` and `soft ttl` as `soft_ttl`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && previous_lower {
            snake.push('_');
        }
        previous_lower = c.is_lowercase() || c.is_ascii_digit();
        if c.is_alphanumeric() {
            snake.extend(c.to_lowercase());
        } else {
            snake.push('_');
        }
    }
    snake
}
