//! Which template stands in which file, and what the files are called.

use std::collections::{BTreeMap, BTreeSet};

use crate::job::{Job, generations};
use crate::render::reserved;

use super::doc::{Care, document};
use super::fold::{Table, Unit, identifier};
use super::leaf::Piece;
use super::node::{Entry, Node};
use super::similar::name;
use super::{Given, ImportedFile, Refused, check, notes, write};

/// Longer file names are cut, in bytes.
const LONGEST_STEM: usize = 100;
/// Words that an expression cannot begin with.
const WORDS: [&str; 12] = ["and", "else", "false", "for", "if", "in", "is", "loop", "none", "not", "or", "true"];

/// Templates with their tables.
pub(super) struct Set<'a> {
    pub(super) jobs: &'a [Job],
    given: &'a Given,
    pub(super) units: Vec<Unit>,
    tables: Vec<Table>,
    /// One for each table.
    table_names: Vec<String>,
}

impl<'a> Set<'a> {
    pub(super) fn new(jobs: &'a [Job], given: &'a Given, units: Vec<Unit>, tables: Vec<Table>) -> Self {
        let mut taken = BTreeSet::new();
        let mut table_names = Vec::with_capacity(tables.len());
        for (index, table) in tables.iter().enumerate() {
            let of_target = units.iter().find(|unit| unit.table == Some(index)).and_then(|unit| target(&unit.document));
            table_names.push(free(&table_name(table, of_target), '_', &mut taken));
        }
        Self { jobs, given, units, tables, table_names }
    }

    /// A job as a template of its own.
    pub(super) fn single(&self, job: usize, care: Care) -> Option<Unit> {
        let document = document(self.jobs.get(job)?, self.given, care);
        Some(Unit { document, members: vec![job], table: None })
    }

    /// Whether nothing is left to be written more plainly.
    pub(super) fn is_verbatim(&self, unit: &Unit) -> bool {
        let single = unit.members.first().and_then(|&job| self.single(job, Care::Verbatim));
        single.is_some_and(|single| single.document == unit.document)
    }

    /// Whether a template gives its jobs by itself.
    pub(super) fn check(&self, unit: &Unit) -> Result<(), Refused> {
        let mut text = String::new();
        self.write(unit, &mut text);
        let mut files = vec![ImportedFile { path: "job.yaml".to_owned(), text }];
        files.extend(unit.table.and_then(|table| self.table(table)));
        check::compare(&files, unit.members.iter().filter_map(|&job| self.jobs.get(job)), self.given)
    }

    /// All files, sorted by path.
    pub(super) fn files(&self) -> Vec<ImportedFile> {
        let mut files = Vec::new();
        let mut taken = BTreeSet::new();
        for family in self.families() {
            let Some(first) = family.first() else { continue };
            let stem = match first.table.and_then(|table| self.table_names.get(table)) {
                Some(table) => table.replace('_', "-"),
                None => file_stem(name(&first.document)),
            };
            let mut text = self.head(&family);
            for (index, unit) in family.iter().enumerate() {
                if index > 0 {
                    text.push_str("---\n");
                }
                self.write(unit, &mut text);
            }
            files.push(ImportedFile { path: format!("{}.yaml", free(&stem, '-', &mut taken)), text });
        }
        let used: BTreeSet<_> = self.units.iter().filter_map(|unit| unit.table).collect();
        files.extend(used.into_iter().filter_map(|table| self.table(table)));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files
    }

    /// The comment at the top.
    fn head(&self, family: &[&Unit]) -> String {
        let jobs: Vec<&Job> =
            family.iter().flat_map(|unit| &unit.members).filter_map(|&job| self.jobs.get(job)).collect();
        let (what, were) = match jobs.len() {
            1 => ("this job".to_owned(), "it was"),
            count => (format!("these {count} jobs"), "they were"),
        };
        let mut head = format!(
            "# Imported from {}. It renders to {what} as {were} there, value for value.\n\
             # Next: `dkron-jobs plan` shows what taking over changes; from then on edit this like any other template.\n",
            write::comment(&self.given.source)
        );
        if family.iter().any(|unit| has_null(&unit.document)) {
            head.push_str("# Where `null` stands, the source has nothing; without that line dkron-jobs fills a safe default in.\n");
        }
        let secrets: BTreeSet<_> = jobs.iter().flat_map(|job| notes::secrets(job)).collect();
        if !secrets.is_empty() {
            let fields: Vec<_> = secrets.iter().map(|field| write::comment(field)).collect();
            head.extend(["# SECRETS stand here in clear, in ", &fields.join(", "), ":\n"]);
            head.push_str(
                "# write `{{ vars.NAME }}` for each and keep it in `--vars-dir` before this goes into a repository.\n",
            );
        }
        head.push('\n');
        head
    }

    /// A template as a document.
    fn write(&self, unit: &Unit, out: &mut String) {
        if let Some(table) = unit.table.and_then(|table| self.table_names.get(table)) {
            out.extend(["# One job for each row of data/", table, ".csv.\nfor_each: ", table, "\n"]);
        }
        write::map(out, 0, &unit.document);
    }

    fn table(&self, index: usize) -> Option<ImportedFile> {
        let (table, name) = (self.tables.get(index)?, self.table_names.get(index)?);
        Some(ImportedFile { path: format!("data/{name}.csv"), text: table.columns.csv() })
    }

    /// The templates by file: those that hang together by parents, each parent before its children.
    fn families(&self) -> Vec<Vec<&Unit>> {
        let mut unit_of = BTreeMap::new();
        for (index, unit) in self.units.iter().enumerate() {
            unit_of.extend(unit.members.iter().filter_map(|&job| Some((&*self.jobs.get(job)?.name, index))));
        }
        let parents: Vec<BTreeSet<usize>> = self
            .units
            .iter()
            .map(|unit| {
                let jobs = unit.members.iter().filter_map(|&job| self.jobs.get(job));
                jobs.filter_map(|job| unit_of.get(job.parent()?).copied()).collect()
            })
            .collect();
        // Each unit points to another of its family, and the last one to itself.
        let mut next: Vec<usize> = (0..self.units.len()).collect();
        for (unit, parents) in parents.iter().enumerate() {
            for &parent in parents {
                let (one, other) = (last(unit, &mut next), last(parent, &mut next));
                if let Some(next) = next.get_mut(one.max(other)) {
                    *next = one.min(other);
                }
            }
        }
        let mut order: Vec<usize> = (0..self.units.len()).collect();
        order.sort_by(|&one, &other| {
            let members = |unit: usize| self.units.get(unit).map(|unit| &unit.members);
            members(one).cmp(&members(other))
        });
        let above = |unit: usize| parents.get(unit)?.iter().copied().find(|&parent| parent != unit);
        let mut families: BTreeMap<usize, Vec<&Unit>> = BTreeMap::new();
        for index in generations(&order, above).into_iter().flatten() {
            families.entry(last(index, &mut next)).or_default().extend(self.units.get(index));
        }
        families.into_values().collect()
    }
}

/// The last unit of a chain, which gets shorter on the way.
fn last(unit: usize, next: &mut [usize]) -> usize {
    let mut at = unit;
    while let Some(&after) = next.get(at)
        && after != at
    {
        let far = next.get(after).copied().unwrap_or(after);
        if let Some(next) = next.get_mut(at) {
            *next = far;
        }
        at = after;
    }
    at
}

/// Whether a default is turned off in it.
fn has_null(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| match &entry.node {
        Node::Null => true,
        Node::Map(config) if entry.key == "executor_config" => config.iter().any(|entry| entry.node == Node::Null),
        _ => false,
    })
}

/// A name of a table after what the jobs' names have in common, else after what they call.
fn table_name(table: &Table, target: Option<String>) -> String {
    let common = identifier(&format!("{}_{}", table.prefix, table.suffix));
    let words = [common, target.unwrap_or_default(), "jobs".to_owned()];
    let name = words.into_iter().find(|word| !word.is_empty()).unwrap_or_default();
    if reserved(&name) || WORDS.contains(&name.as_str()) { format!("{name}_jobs") } else { name }
}

/// The first word of the path that all of a table's jobs call.
fn target(document: &[Entry]) -> Option<String> {
    let config = document.iter().find(|entry| entry.key == "executor_config")?;
    let Node::Map(config) = &config.node else { return None };
    let Node::Text(leaf) = &config.iter().find(|entry| entry.key == "url")?.node else { return None };
    let text: String =
        leaf.pieces().iter().filter_map(|p| if let Piece::Text(text) = p { Some(&**text) } else { None }).collect();
    let path =
        text.split_once("://").map_or(text.as_str(), |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    path.split(['/', '?', '#']).map(identifier).find(|word| !word.is_empty())
}

/// A file name after a job's name: letters, digits, `-` and `_`.
fn file_stem(name: &str) -> String {
    let mut stem: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect();
    stem.truncate(LONGEST_STEM);
    let stem = stem.trim_start_matches('-');
    if stem.is_empty() { "job".to_owned() } else { stem.to_owned() }
}

/// The name, with a number behind it where it is taken.
fn free(name: &str, separator: char, taken: &mut BTreeSet<String>) -> String {
    let mut numbered = (2..).map(|number| format!("{name}{separator}{number}"));
    let free = if taken.contains(name) { numbered.find(|name| !taken.contains(name)) } else { Some(name.to_owned()) };
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}
