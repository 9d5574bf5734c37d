//! Several documents as one, with a table for what differs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::job::generations;
use crate::report::carries_secret;
use crate::schedule::refresh_schedule;

use super::FEWEST;
use super::columns::{Columns, affixes};
use super::leaf::{Leaf, Piece};
use super::node::{Entry, Node, Presence};
use super::similar::{Group, groups, is_typed, name};

/// More columns than this are no table that people read.
const MOST_COLUMNS: usize = 12;
/// A field that is one thing: its values are not taken apart.
const WHOLE: [&str; 6] = ["schedule", "displayname", "timezone", "owner", "owner_email", "metadata"];

/// One template: for one job, or for the rows of a table.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) document: Vec<Entry>,
    /// Indices of the jobs it gives.
    pub(super) members: Vec<usize>,
    /// Index of its table.
    pub(super) table: Option<usize>,
}

/// A data table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) prefix: String,
    pub(super) suffix: String,
    pub(super) columns: Columns,
}

/// All documents as templates, those that can be folded as one, and their tables. `names` are the jobs' whole names.
pub(super) fn fold(documents: &[Vec<Entry>], names: &[&str]) -> (Vec<Unit>, Vec<Table>) {
    let mut folder = Folder { documents, names, units: Vec::new(), tables: Vec::new(), unit_of: BTreeMap::new() };
    let groups = groups(documents);
    // Parents first: their children may share their table.
    let mut of_name = BTreeMap::new();
    for (at, group) in groups.iter().enumerate() {
        let members = group.members.iter().filter_map(|&member| documents.get(member));
        of_name.extend(members.map(|document| (name(document), at)));
    }
    let above = |at: usize| {
        let first = groups.get(at)?.members.first()?;
        of_name.get(parent(documents.get(*first)?)?).copied()
    };
    for at in generations(&(0..groups.len()).collect::<Vec<_>>(), above).into_iter().flatten() {
        if let Some(group) = groups.get(at) {
            folder.group(group);
        }
    }
    for (index, document) in documents.iter().enumerate() {
        if !folder.unit_of.contains_key(name(document)) {
            folder.units.push(Unit { document: document.clone(), members: vec![index], table: None });
        }
    }
    (folder.units, folder.tables)
}

/// The parent's name in the template.
pub(super) fn parent(document: &[Entry]) -> Option<&str> {
    document.iter().find(|entry| entry.key == "parent_job")?.node.as_text()
}

struct Folder<'a> {
    documents: &'a [Vec<Entry>],
    names: &'a [&'a str],
    units: Vec<Unit>,
    tables: Vec<Table>,
    /// The unit and the row of each job that was folded, by its name in the template.
    unit_of: BTreeMap<&'a str, (usize, usize)>,
}

impl Folder<'_> {
    fn group(&mut self, group: &Group) {
        let Group { prefix, suffix, members } = group;
        let mut members = members.clone();
        if let Some((table, in_order)) = self.parents_table(&members)
            && let Some(shared) = self.tables.get(table).map(|table| table.columns.clone())
            && let Ok((document, columns)) = self.derive(&in_order, shared, prefix, suffix)
        {
            if let Some(table) = self.tables.get_mut(table) {
                table.columns = columns;
            }
            return self.add(document, in_order, table);
        }
        while members.len() >= FEWEST {
            match self.derive(&members, Columns::default(), prefix, suffix) {
                Ok((document, columns)) => {
                    self.tables.push(Table { prefix: prefix.clone(), suffix: suffix.clone(), columns });
                    return self.add(document, members, self.tables.len() - 1);
                }
                Err(Unfit::Rows(rows)) => {
                    let mut row = 0..;
                    members.retain(|_| row.next().is_some_and(|row| !rows.contains(&row)));
                }
                Err(Unfit::Whole) => return,
            }
        }
    }

    fn add(&mut self, document: Vec<Entry>, members: Vec<usize>, table: usize) {
        for (row, &member) in members.iter().enumerate() {
            if let Some(document) = self.documents.get(member) {
                self.unit_of.insert(name(document), (self.units.len(), row));
            }
        }
        self.units.push(Unit { document, members, table: Some(table) });
    }

    /// The table that gives these jobs' parents, with the jobs in the order of its rows, where each row has one of them.
    fn parents_table(&self, members: &[usize]) -> Option<(usize, Vec<usize>)> {
        let mut rows = BTreeMap::new();
        let mut units = BTreeSet::new();
        for &member in members {
            let &(unit, row) = self.unit_of.get(parent(self.documents.get(member)?)?)?;
            units.insert(unit);
            rows.insert(row, member);
        }
        let unit = self.units.get(*units.first()?)?;
        let is_each = units.len() == 1 && rows.len() == members.len() && members.len() == unit.members.len();
        is_each.then_some((unit.table?, rows.into_values().collect()))
    }

    /// One document for these jobs, and the columns that it needs.
    fn derive(
        &self,
        members: &[usize],
        columns: Columns,
        prefix: &str,
        suffix: &str,
    ) -> Result<(Vec<Entry>, Columns), Unfit> {
        let documents: Vec<&[Entry]> =
            members.iter().filter_map(|&member| self.documents.get(member)).map(Vec::as_slice).collect();
        let names = members.iter().filter_map(|&member| self.names.get(member).copied()).collect();
        let mut derive = Derive { columns, names };
        // The name first, then what people gave names to, so that other fields use those columns.
        let mut folded: BTreeMap<&str, Entry> = BTreeMap::new();
        let keys: Vec<&str> = documents.first().ok_or(Unfit::Whole)?.iter().map(|entry| entry.key.as_str()).collect();
        let mut order = keys.clone();
        order.sort_by_key(|key| match *key {
            "name" => 0,
            "metadata" => 1,
            _ => 2,
        });
        for key in order {
            let entries = entries_of(&documents, key).ok_or(Unfit::Whole)?;
            let entry = match key {
                "name" => Some(derive.name(&entries, prefix, suffix)?),
                "schedule" => derive.refresh(&entries, &documents),
                _ => None,
            };
            let entry = match entry {
                Some(entry) => entry,
                None => derive.entry(&entries, &mut vec![key])?,
            };
            folded.insert(key, entry);
        }
        if derive.columns.0.len() > MOST_COLUMNS {
            return Err(Unfit::Whole);
        }
        let is_refresh = folded.get("schedule").is_some_and(
            |entry| matches!(&entry.node, Node::Text(leaf) if leaf.pieces().iter().any(is_refresh_schedule)),
        );
        if is_refresh && let Some(timezone) = folded.get_mut("timezone") {
            // It is UTC by itself then.
            timezone.presence = Presence::Default;
        }
        Ok((keys.into_iter().filter_map(|key| folded.remove(key)).collect(), derive.columns))
    }
}

const REFRESH: &str = "refresh_schedule(";

fn is_refresh_schedule(piece: &Piece) -> bool {
    matches!(piece, Piece::Row(row) if row.starts_with(REFRESH))
}

/// The entry of this key in each document.
fn entries_of<'d>(documents: &[&'d [Entry]], key: &str) -> Option<Vec<&'d Entry>> {
    documents.iter().map(|document| document.iter().find(|entry| entry.key == key)).collect()
}

/// Why jobs cannot be folded.
enum Unfit {
    /// Without these rows they may be.
    Rows(Vec<usize>),
    Whole,
}

struct Derive<'a> {
    columns: Columns,
    /// The jobs' whole names.
    names: Vec<&'a str>,
}

impl Derive<'_> {
    fn name(&mut self, entries: &[&Entry], prefix: &str, suffix: &str) -> Result<Entry, Unfit> {
        let names: Vec<_> = entries.iter().map(|entry| entry.node.as_text().unwrap_or_default()).collect();
        let pieces = if let Some(pieces) = self.columns.express(&names) {
            pieces
        } else {
            let stem = |name: &&str| name.strip_prefix(prefix)?.strip_suffix(suffix).map(str::to_owned);
            let stems: Vec<String> = names.iter().map(stem).collect::<Option<_>>().ok_or(Unfit::Whole)?;
            let stems: Vec<&str> = stems.iter().map(String::as_str).collect();
            let row = self.columns.add(&["name".to_owned(), "job".to_owned()], &stems).map_err(Unfit::Rows)?;
            vec![Piece::Text(prefix.to_owned()), Piece::Row(row), Piece::Text(suffix.to_owned())]
        };
        Ok(Entry::new("name", Node::Text(Leaf::new(pieces)), Presence::Always))
    }

    /// `refresh_schedule()` over the columns of the TTLs, where it says what all of the schedules say.
    fn refresh(&self, entries: &[&Entry], documents: &[&[Entry]]) -> Option<Entry> {
        let zones = entries_of(documents, "timezone")?;
        if zones.iter().any(|zone| zone.node.as_text() != Some("UTC")) {
            return None;
        }
        let ttl = |part: &str| self.columns.0.iter().find(|column| column.name.contains(part));
        let seconds = |cell: &String| cell.parse().ok().map(SignedDuration::from_secs);
        let soft = ttl("soft")?;
        for hard in [ttl("hard"), None] {
            let says = |row: usize, name: &str| {
                let hard = match hard {
                    Some(hard) => Some(seconds(hard.cells.get(row)?)?),
                    None => None,
                };
                refresh_schedule(name, seconds(soft.cells.get(row)?)?, hard).ok()
            };
            let mut rows = self.names.iter().zip(entries).enumerate();
            if rows.all(|(row, (name, entry))| says(row, name).as_deref() == entry.node.as_text()) {
                let hard = hard.map_or_else(String::new, |hard| format!(", item.{}", hard.name));
                let call = format!("{REFRESH}item.{}{hard})", soft.name);
                return Some(Entry::new("schedule", Node::Text(Leaf::new([Piece::Row(call)])), Presence::Always));
            }
        }
        None
    }

    fn entry<'d>(&mut self, entries: &[&'d Entry], path: &mut Vec<&'d str>) -> Result<Entry, Unfit> {
        let first = entries.first().ok_or(Unfit::Whole)?;
        let presence = entries.iter().map(|entry| entry.presence).max().unwrap_or(first.presence);
        let node = if presence == Presence::Default {
            // Left out in all of them, whatever it is in each.
            first.node.clone()
        } else {
            self.node(&entries.iter().map(|entry| &entry.node).collect::<Vec<_>>(), path)?
        };
        Ok(Entry::new(&first.key, node, presence))
    }

    fn node<'d>(&mut self, nodes: &[&'d Node], path: &mut Vec<&'d str>) -> Result<Node, Unfit> {
        let first = *nodes.first().ok_or(Unfit::Whole)?;
        if nodes.iter().all(|node| *node == first) {
            return Ok(first.clone());
        }
        match first {
            Node::Map(map) => {
                let maps: Vec<&[Entry]> = nodes
                    .iter()
                    .filter_map(|node| if let Node::Map(map) = node { Some(&map[..]) } else { None })
                    .collect();
                // Short values first: they are what longer ones are made of.
                let mut order: Vec<(usize, &Entry)> = map.iter().enumerate().collect();
                order.sort_by_key(|(_, entry)| entry.node.length());
                let mut folded = BTreeMap::new();
                for (index, entry) in order {
                    let entries = entries_of(&maps, &entry.key).filter(|e| e.len() == nodes.len());
                    path.push(&entry.key);
                    folded.insert(index, self.entry(&entries.ok_or(Unfit::Whole)?, path)?);
                    path.pop();
                }
                Ok(Node::Map(folded.into_values().collect()))
            }
            Node::List(list) => {
                let mut folded = Vec::with_capacity(list.len());
                for index in 0..list.len() {
                    let items: Option<Vec<&Node>> = nodes
                        .iter()
                        .map(|node| if let Node::List(list) = node { list.get(index) } else { None })
                        .collect();
                    folded.push(self.node(&items.ok_or(Unfit::Whole)?, path)?);
                }
                Ok(Node::List(folded))
            }
            Node::Bool(_) if is_typed(path) => self.tagged("!!bool", nodes, path),
            Node::Number(_) if is_typed(path) => {
                let is_int = |node: &&Node| node.as_text().is_some_and(|text| text.parse::<i64>().is_ok());
                self.tagged(if nodes.iter().all(is_int) { "!!int" } else { "!!float" }, nodes, path)
            }
            Node::Bool(_) | Node::Number(_) | Node::Text(_) => self.leaf(nodes, path).map(Node::Text),
            Node::Null | Node::Tagged(..) => Err(Unfit::Whole),
        }
    }

    fn tagged(&mut self, tag: &'static str, nodes: &[&Node], path: &[&str]) -> Result<Node, Unfit> {
        self.leaf(nodes, path).map(|leaf| Node::Tagged(tag, leaf))
    }

    fn leaf(&mut self, nodes: &[&Node], path: &[&str]) -> Result<Leaf, Unfit> {
        let leaves: Vec<Leaf> = nodes
            .iter()
            .map(|node| match node {
                Node::Text(leaf) => Some(leaf.clone()),
                other => other.as_text().map(Leaf::text),
            })
            .collect::<Option<_>>()
            .ok_or(Unfit::Whole)?;
        let first = leaves.first().ok_or(Unfit::Whole)?;
        let mut pieces = Vec::new();
        for (index, piece) in first.pieces().iter().enumerate() {
            let column: Option<Vec<&Piece>> = leaves.iter().map(|leaf| leaf.pieces().get(index)).collect();
            let column = column.ok_or(Unfit::Whole)?;
            if column.iter().all(|other| *other == piece) {
                pieces.push(piece.clone());
                continue;
            }
            let texts: Option<Vec<&str>> = column
                .iter()
                .map(|piece| if let Piece::Text(text) = piece { Some(text.as_str()) } else { None })
                .collect();
            let texts = texts.ok_or(Unfit::Whole)?;
            let expressed = match self.columns.express(&texts) {
                Some(expressed) => expressed,
                None => self.column(&texts, path)?,
            };
            // `service()` wants a text, and `300` in a table is a number.
            let is_service = index > 0 && first.pieces().get(index - 1) == Some(&Piece::ServiceStart);
            let is_text = |text: &&str| text.parse::<i64>().is_err() && text.parse::<bool>().is_err();
            pieces.extend(expressed.into_iter().map(|piece| match piece {
                Piece::Row(row) if is_service && !texts.iter().all(is_text) => Piece::Row(format!("{row} | string")),
                other => other,
            }));
        }
        Ok(Leaf::new(pieces))
    }

    /// These values by a column of their own.
    fn column(&mut self, texts: &[&str], path: &[&str]) -> Result<Vec<Piece>, Unfit> {
        let field = path.join(".");
        if texts.iter().any(|text| carries_secret(&field, text)) {
            // A secret in a template is bad enough.
            return Err(Unfit::Whole);
        }
        let is_whole = path.first().is_some_and(|key| WHOLE.contains(key))
            || !texts.iter().any(|text| text.contains(['/', ' ', '?', '=']));
        let (before, after) = if is_whole { (0, 0) } else { affixes(texts) };
        let middles: Vec<_> =
            texts.iter().map(|text| text.get(before..text.len() - after).unwrap_or_default()).collect();
        let first = texts.first().copied().unwrap_or_default();
        let (prefix, suffix) = (&first[..before], &first[first.len() - after..]);
        let row = self.columns.add(&column_names(path, prefix), &middles).map_err(Unfit::Rows)?;
        Ok(vec![Piece::Text(prefix.to_owned()), Piece::Row(row), Piece::Text(suffix.to_owned())])
    }
}

/// What a column may be called: by the parameter that it is, else by the last part of the field, else by the last two.
fn column_names(path: &[&str], prefix: &str) -> Vec<String> {
    let parameter = prefix.strip_suffix('=').map(|before| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_'));
    let parameter = parameter.and_then(|mut parts| parts.next()).map(identifier);
    let last = match path {
        [.., "url"] if prefix.ends_with('/') => "path".to_owned(),
        _ => identifier(path.last().copied().unwrap_or_default()),
    };
    let two = identifier(&path[path.len().saturating_sub(2)..].join("_"));
    parameter.into_iter().chain([last, two]).filter(|name| !name.is_empty()).collect()
}

/// A name as templates can write it: in snake case.
pub(super) fn identifier(text: &str) -> String {
    let mut word = String::with_capacity(text.len());
    let mut after_lower = false;
    for c in text.chars() {
        if c.is_ascii_uppercase() && after_lower {
            word.push('_');
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        } else if !word.ends_with('_') {
            word.push('_');
        }
    }
    let word = word.trim_matches('_');
    if word.starts_with(|c: char| c.is_ascii_digit()) { format!("n{word}") } else { word.to_owned() }
}
