//! Data tables and variables from texts: CSV, JSON and YAML.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::job::json_words;
use crate::table::{Row, Table, with_aliases};

use super::Source;
use super::problem::{Problem, Text};
use super::yaml::{self, Kind, Node};

/// The form of a table's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// A header line, then rows, separated by commas, or by semicolons where the header line has no comma. Lines above the
    /// header that begin with `#` are comments.
    Csv,
    /// A list of objects.
    Json,
    /// A list of maps.
    Yaml,
}

impl Table {
    /// Reads a table. `pointer` (RFC 6901) says where in a JSON or YAML text the rows are; without one, the text is the rows.
    ///
    /// Numbers and bools of a CSV table are numbers and bools where nothing is lost by it: `300` is one, `007` stays a text.
    /// A column that is not written in snake case, such as `softTtl`, can be used as `soft_ttl` too.
    ///
    /// # Errors
    /// What is wrong with the text, or that it holds no row: an empty table never means "no jobs".
    pub fn parse(source: &Source, format: TableFormat, pointer: Option<&str>) -> Result<Self, Problem> {
        let text = Text::new(&source.file, &source.text);
        let rows = match format {
            TableFormat::Csv => csv_rows(&text)?,
            TableFormat::Json => value_rows(&text, json(&text)?, pointer)?,
            TableFormat::Yaml => value_rows(&text, yaml(source)?, pointer)?,
        };
        Self::new(rows).ok_or_else(|| {
            text.problem(
                0..0,
                "this table has no rows",
                "an empty table would take every job of it away; fill it, or take its template away",
            )
        })
    }
}

fn csv_rows(text: &Text) -> Result<Vec<Row>, Problem> {
    // Comments stand before the header only: a row may begin with `#`.
    let lines = text.as_str().split_inclusive('\n');
    let is_comment = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let start: usize = lines.take_while(is_comment).map(str::len).sum();
    let rest = text.as_str().get(start..).unwrap_or_default();
    let semicolons = rest.lines().next().is_some_and(|line| !line.contains(',') && line.contains(';'));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .trim(csv::Trim::All)
        .from_reader(rest.as_bytes());
    let problem = |error: csv::Error| {
        let at = start + error.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or_default();
        let message = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("this row has {len} values, and the header names {expected_len} columns")
            }
            _ => format!("this is no CSV: {error}"),
        };
        text.problem(
            line(text, at),
            message,
            "give each row one value a column, and quote values that hold a separator",
        )
    };
    let headers = reader.headers().map_err(problem)?.clone();
    for (index, header) in headers.iter().enumerate() {
        let message = if header.is_empty() {
            format!("column {} has no name", index + 1)
        } else if headers.iter().take(index).any(|other| other == header) {
            format!("two columns are called `{header}`")
        } else {
            continue;
        };
        return Err(text.problem(line(text, start), message, "give each column a name of its own in the first line"));
    }
    reader
        .records()
        .map(|record| {
            let record = record.map_err(problem)?;
            let cells = headers.iter().zip(&record).map(|(header, cell)| (header.to_owned(), cell_value(cell)));
            Ok(with_aliases(cells.collect()))
        })
        .collect()
}

/// The bytes of the first line with text at or after a byte.
fn line(text: &Text, at: usize) -> std::ops::Range<usize> {
    let rest = text.as_str().get(at..).unwrap_or_default();
    let start = at + rest.len() - rest.trim_start().len();
    let length = text.as_str().get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    start..start + length
}

fn cell_value(cell: &str) -> Value {
    match cell {
        // Spreadsheets write them in capitals.
        _ if cell.eq_ignore_ascii_case("true") => Value::Bool(true),
        _ if cell.eq_ignore_ascii_case("false") => Value::Bool(false),
        // Only what gives the same text again: leading zeros and plus signs are not lost.
        _ => match cell.parse::<i64>() {
            Ok(number) if number.to_string() == cell => number.into(),
            _ => cell.into(),
        },
    }
}

fn json(text: &Text) -> Result<Value, Problem> {
    serde_json::from_str(text.as_str()).map_err(|error| {
        let start: usize = text.as_str().split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = (start + error.column().saturating_sub(1)).min(text.as_str().len());
        let at = (0..=at).rev().find(|&at| text.as_str().is_char_boundary(at)).unwrap_or_default();
        text.problem(
            at..at,
            format!("this is no JSON: {}", json_words(&error)),
            "correct it; `jq .` names the place too",
        )
    })
}

/// JSON is YAML too, but for the escapes of one character in two halves.
fn yaml(source: &Source) -> Result<Value, Problem> {
    let text = Text::new(&source.file, &yaml::join_surrogates(&source.text));
    let mut problems = Vec::new();
    let mut documents = yaml::parse(&text, &mut problems);
    if let Some(first) = problems.into_iter().next() {
        return Err(first);
    }
    match documents.len() {
        0 => Ok(Value::Array(Vec::new())),
        1 => Ok(value(documents.remove(0))),
        _ => Err(text.problem(
            documents[1].at.clone(),
            "a table is one document, and here a second one begins",
            "put all rows into one list",
        )),
    }
}

fn value(node: Node) -> Value {
    match node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(bool) => bool.into(),
        Kind::Number(number) => {
            let int = number.parse::<i64>().map(Value::from).or_else(|_| number.parse::<u64>().map(Value::from));
            match int.or_else(|_| number.parse::<f64>().map(Value::from)) {
                Ok(value) => value,
                // Hexadecimal and the like: the text is what was meant at least as often.
                Err(_) => number.into(),
            }
        }
        Kind::String(string) => string.into(),
        Kind::List(list) => list.into_iter().map(value).collect::<Vec<_>>().into(),
        Kind::Map(map) => Value::Object(map.into_iter().map(|(key, node)| (key.text, value(node))).collect()),
    }
}

fn value_rows(text: &Text, document: Value, pointer: Option<&str>) -> Result<Vec<Row>, Problem> {
    let pointer = pointer.unwrap_or_default();
    let mut document = document;
    let Some(found) = document.pointer_mut(pointer).map(Value::take) else {
        let remedy = pointers(&document);
        return Err(text.problem(0..0, format!("nothing stands at `{pointer}`"), remedy));
    };
    let Value::Array(list) = found else {
        let remedy = pointers(&found);
        let place = if pointer.is_empty() { "this".to_owned() } else { format!("`{pointer}`") };
        return Err(text.problem(0..0, format!("{place} is no list of rows"), remedy));
    };
    list.into_iter()
        .enumerate()
        .map(|(index, row)| match row {
            Value::Object(row) => Ok(with_aliases(row)),
            _ => Err(text.problem(
                0..0,
                format!("row {} is no object with named columns", index + 1),
                "write each row as `{\"name\": …, \"soft_ttl\": …}`",
            )),
        })
        .collect()
}

/// Where lists stand in a document, for someone who has to name one.
fn pointers(document: &Value) -> String {
    let found: Vec<_> = match document {
        Value::Object(map) => map.iter().filter(|(_, value)| value.is_array()).map(|(key, _)| key.as_str()).collect(),
        _ => Vec::new(),
    };
    match found.as_slice() {
        [] => "give a JSON list of objects, or its place behind a `#`: `…#/path/to/rows`".to_owned(),
        found => {
            let lists = found.iter().map(|key| format!("`#/{key}`")).collect::<Vec<_>>().join(", ");
            format!("there is a list at {lists}; put that behind the path or URL")
        }
    }
}

/// The variables of a YAML or JSON file: a map.
///
/// # Errors
/// What is wrong with the text, or that it is no map.
pub fn values(source: &Source) -> Result<BTreeMap<String, Value>, Problem> {
    // Variables may be secrets: the lines of the file are not shown.
    match yaml(source).map_err(Problem::without_snippet)? {
        Value::Object(map) => Ok(map.into_iter().collect()),
        Value::Array(list) if list.is_empty() => Ok(BTreeMap::new()),
        _ => Err(Problem::of_file(&source.file, "variables are a map", "write `name: value` lines")),
    }
}
