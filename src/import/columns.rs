//! The columns of a data table: how the same field of several jobs is written with the row's values.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::job::printable;

use super::leaf::Piece;

/// A longer value has no place in a table that people read.
const LONGEST_CELL: usize = 400;

/// In how many rows a template is looked for.
const MOST_ROWS_TRIED: usize = 4;

/// What templates may make of a value, in the order in which it is tried.
const FILTERS: [(&str, Filter); 7] = [
    ("", str::to_owned),
    (" | replace('-', ' ')", |text| text.replace('-', " ")),
    (" | replace('-', '_')", |text| text.replace('-', "_")),
    (" | upper", str::to_uppercase),
    (" | capitalize", capitalized),
    (" | replace('-', ' ') | capitalize", |text| capitalized(&text.replace('-', " "))),
    (" | replace('-', ' ') | title", |text| titled(&text.replace('-', " "))),
];

type Filter = fn(&str) -> String;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// One for each row.
    pub(super) cells: Vec<String>,
}

/// The columns found so far; all have a cell for each row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns(pub(super) Vec<Column>);

impl Columns {
    /// These values, one for each row, by what columns there are; `None` where that cannot be done.
    pub(super) fn express(&self, values: &[&str]) -> Option<Vec<Piece>> {
        let whole = self.0.iter().find(|column| column.cells == values);
        if let Some(column) = whole {
            return Some(vec![Piece::Row(format!("item.{}", column.name))]);
        }
        let mut candidates = Vec::new();
        for column in &self.0 {
            for (filter, apply) in FILTERS {
                let cells: Vec<_> = column.cells.iter().map(|cell| apply(cell)).collect();
                // What a filter does beyond ASCII is for the template engine to say.
                let is_new = filter.is_empty() || (cells != column.cells && column.cells.iter().all(|c| c.is_ascii()));
                if is_new && cells.iter().all(|cell| !cell.is_empty()) {
                    candidates.push((format!("item.{}{filter}", column.name), cells));
                }
            }
        }
        let single = candidates.iter().find_map(|candidate| substituted(values, std::slice::from_ref(candidate)));
        single.or_else(|| {
            let plain: Vec<_> = candidates.iter().filter(|(row, _)| !row.contains('|')).cloned().collect();
            substituted(values, &plain)
        })
    }

    /// A new column of these values, called by the first of these names that is free.
    ///
    /// # Errors
    /// The rows whose values a CSV table would not give back.
    pub(super) fn add(&mut self, names: &[String], cells: &[&str]) -> Result<String, Vec<usize>> {
        let bad: Vec<_> =
            cells.iter().enumerate().filter(|(_, cell)| !survives(cell)).map(|(index, _)| index).collect();
        if !bad.is_empty() {
            return Err(bad);
        }
        let is_free = |name: &str| self.0.iter().all(|column| column.name != name);
        let last = names.last().map_or("value", String::as_str);
        let mut numbered = (2..).map(|number| format!("{last}_{number}"));
        let name = match names.iter().find(|name| is_free(name)) {
            Some(name) => name.clone(),
            None => numbered.find(|name| is_free(name)).unwrap_or_default(),
        };
        self.0.push(Column { name: name.clone(), cells: cells.iter().map(|&cell| cell.to_owned()).collect() });
        Ok(format!("item.{name}"))
    }

    /// The table as CSV.
    pub(super) fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.0.first().map_or(0, |column| column.cells.len());
        let header = std::iter::once(self.0.iter().map(|column| column.name.as_str()).collect::<Vec<_>>());
        let rows = (0..rows).map(|row| self.0.iter().filter_map(|c| c.cells.get(row)).map(String::as_str).collect());
        for record in header.chain(rows) {
            // Writing into memory cannot fail, and all records have the same length.
            let written = writer.write_record(record);
            debug_assert!(written.is_ok(), "a record can always be written");
        }
        // Nothing but texts went in.
        writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// Whether a table gives this cell back as it is: tables are trimmed, and `TRUE` is a bool in them.
fn survives(cell: &str) -> bool {
    let is_bool = |word: &str| cell.eq_ignore_ascii_case(word) && cell != word;
    cell.trim() == cell
        && cell.len() <= LONGEST_CELL
        && matches!(printable(cell), std::borrow::Cow::Borrowed(_))
        && !is_bool("true")
        && !is_bool("false")
}

/// The values written with these columns' values in them: read off in one row, and held against all others.
fn substituted(values: &[&str], columns: &[(String, Vec<String>)]) -> Option<Vec<Piece>> {
    // First the rows that are least likely to agree by accident.
    let mut rows: Vec<usize> = (0..values.len()).collect();
    rows.sort_by_cached_key(|&row| {
        let cells: Vec<&str> = columns.iter().filter_map(|(_, cells)| cells.get(row)).map(String::as_str).collect();
        let distinct = cells.iter().collect::<BTreeSet<_>>().len();
        let all: usize = cells.iter().map(|cell| cell.len()).sum();
        let shortest = cells.iter().map(|cell| cell.len()).min();
        Reverse((distinct, shortest, all))
    });
    rows.into_iter().take(MOST_ROWS_TRIED).find_map(|row| read_off(row, values, columns))
}

fn read_off(row: usize, values: &[&str], columns: &[(String, Vec<String>)]) -> Option<Vec<Piece>> {
    let mut found: Vec<(&str, &Vec<String>, &str)> =
        columns.iter().filter_map(|(item, cells)| Some((item.as_str(), cells, cells.get(row)?.as_str()))).collect();
    found.sort_by_key(|(_, _, cell)| Reverse(cell.len()));

    let text = *values.get(row)?;
    // Each part: a text, or the column that stands there.
    let mut parts: Vec<(String, Option<&Vec<String>>)> = Vec::new();
    let mut pending = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let hit = found.iter().find(|(_, _, cell)| text[at..].starts_with(cell) && stands_alone(text, at, cell.len()));
        if let Some((item, cells, cell)) = hit {
            parts.push((std::mem::take(&mut pending), None));
            parts.push(((*item).to_owned(), Some(cells)));
            at += cell.len();
        } else {
            pending.push(c);
            at += c.len_utf8();
        }
    }
    parts.push((pending, None));
    let says = |row: usize| -> String {
        parts.iter().map(|(text, cells)| cells.and_then(|cells| cells.get(row)).unwrap_or(text).as_str()).collect()
    };
    let is_exact = parts.len() > 1 && values.iter().enumerate().all(|(row, value)| says(row) == *value);
    is_exact.then(|| {
        let piece = |(text, cells): (String, Option<_>)| match cells {
            None => Piece::Text(text),
            Some(_) => Piece::Row(text),
        };
        parts.into_iter().map(piece).collect()
    })
}

/// Whether no letter or digit stands next to these bytes.
pub(super) fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !is_part(before) && !is_part(after)
}

/// What all values begin and end with, as far as whole words go, and what is between: each of it in bytes.
pub(super) fn affixes(values: &[&str]) -> (usize, usize) {
    let Some((first, others)) = values.split_first() else { return (0, 0) };
    let shared = |one: &str, other: &str| one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let prefix = others.iter().map(|other| shared(first, other)).min().unwrap_or_default();
    let prefix: String = first.chars().take(prefix).collect();
    let prefix = prefix.trim_end_matches(char::is_alphanumeric).len();
    let reversed = |text: &str| text[prefix..].chars().rev().collect::<String>();
    let back = reversed(first);
    let suffix = others.iter().map(|other| shared(&back, &reversed(other))).min().unwrap_or_default();
    let suffix: String = back.chars().take(suffix).collect();
    (prefix, suffix.trim_end_matches(char::is_alphanumeric).len())
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}

fn titled(text: &str) -> String {
    text.split(' ').map(capitalized).collect::<Vec<_>>().join(" ")
}
