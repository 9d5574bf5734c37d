//! Data tables: rows of named columns.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The values of one row by their columns' names.
pub type Row = Map<String, Value>;

/// Rows of named columns; there is at least one. A clone is the same rows once more.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: Arc<[Row]>,
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

/// Adds to a row, for each column that is not written in snake case, such as `Soft-TTL`, the same value as `soft_ttl`, unless there
/// is a column of that name.
pub(crate) fn with_aliases(mut row: Row) -> Row {
    let is_snake = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let others = row.iter().filter(|(name, _)| !is_snake(name));
    let aliases: Vec<_> = others.map(|(name, value)| (snake_case(name), value.clone())).collect();
    for (alias, value) in aliases {
        row.entry(alias).or_insert(value);
    }
    row
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
