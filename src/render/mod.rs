//! Templates to desired jobs. Each string leaf of a YAML file is a template of its own, so no value can break out of its place.
//!
//! Everything that is wrong with all templates is found in one run.

mod draft;
mod emit;
mod engine;
mod places;
mod problem;
mod shape;
mod table;
pub mod vocabulary;
mod yaml;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::job::{Desired, Wanted, by_name};
use crate::table::Table;
use crate::words::counted;

use self::draft::{Draft, Filled, FilledKind, fill};
use self::engine::Engine;
use self::problem::Text;
use self::yaml::{Kind, Node};

pub use self::emit::to_yaml;
pub(crate) use self::emit::{is_reserved, is_unseen, quoted};
pub(crate) use self::engine::reserved;
pub use self::places::Places;
pub(crate) use self::problem::nearest;
pub use self::problem::{Problem, Problems, Verdict};
pub(crate) use self::shape::ONE_SERVER;
pub use self::table::{TableFormat, values};
pub(crate) use self::yaml::is_template;

/// A file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as the user named it; it stands in messages.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// What there is to render.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    /// The template files.
    pub templates: Vec<Source>,
    /// The data tables by name.
    pub tables: BTreeMap<String, Table>,
}

/// What templates see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// `namespace`.
    pub namespace: String,
    /// `release`.
    pub release: String,
    /// `cluster_domain`.
    pub cluster_domain: String,
    /// Put in front of every job's name and of every parent's.
    pub name_prefix: String,
    /// `vars`.
    pub vars: BTreeMap<String, Var>,
    /// Whether a schedule or time zone that we do not know is taken as it is: a later Dkron may know it.
    pub allow_unknown_schedules: bool,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Var {
    /// Its value.
    pub value: serde_json::Value,
    /// Whether what is made with it must be masked.
    pub secret: bool,
}

/// What came of rendering.
#[derive(Debug)]
pub struct Rendered {
    /// The jobs that could be rendered.
    pub desired: Desired,
    /// What is wrong with the others.
    pub problems: Vec<Problem>,
    /// Where everything stands.
    pub places: Places,
}

/// Renders all templates.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn render(sources: &Sources, context: &Context) -> Result<Desired, Problems> {
    let Rendered { desired, problems, .. } = examine(sources, context);
    Problems::check(problems)?;
    Ok(desired)
}

/// Renders as much as can be rendered, and says what is wrong with the rest.
pub fn examine(sources: &Sources, context: &Context) -> Rendered {
    let mut problems = Found::default();
    for name in sources.tables.keys().filter(|name| reserved(name)) {
        problems.add(Problem::of_file(
            format!("data table `{name}`"),
            "this name means something else in templates",
            "give the table another name",
        ));
    }
    let texts: Vec<_> =
        sources.templates.iter().map(|source| Text::new(&source.file, &yaml::join_surrogates(&source.text))).collect();
    let mut documents: Vec<(usize, Node)> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let mut found = Vec::new();
        let nodes = yaml::parse(text, &mut found);
        documents.extend(nodes.into_iter().flat_map(jobs).map(|node| (index, node)));
        for problem in found {
            problems.add(problem);
        }
    }
    let engine = Engine::new(context, &sources.tables);
    let mut run = Run { engine: &engine, context, problems, jobs: Vec::new(), seen: HashMap::new() };
    for (index, node) in &documents {
        let mut found = Vec::new();
        let draft = Draft::compile(&texts[*index], node, &engine, &mut found);
        for problem in found {
            run.problems.add(problem);
        }
        if let Some(draft) = draft {
            run.document(&draft);
        }
    }
    let problems = run.problems.finish();
    let desired = Desired { jobs: by_name(run.jobs), ..Desired::default() };
    Rendered { desired, problems, places: Places::new(texts, documents) }
}

/// A document is one job or a list of jobs.
fn jobs(document: Node) -> Vec<Node> {
    match document.kind {
        Kind::List(list) => list,
        _ => vec![document],
    }
}

struct Run<'s> {
    engine: &'s Engine<'s>,
    context: &'s Context,
    problems: Found,
    jobs: Vec<(Arc<str>, Wanted)>,
    /// Which of them has a name.
    seen: HashMap<Arc<str>, usize>,
}

impl Run<'_> {
    fn document(&mut self, draft: &Draft<'_>) {
        let rows = match draft.rows(self.engine) {
            Ok(rows) => rows,
            Err(problem) => return self.problems.add(problem),
        };
        for row in rows {
            let mut found = Vec::new();
            let label = || row.label();
            match draft.is_wanted(self.engine, &row.scope) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(problem) => {
                    self.problems.add_in_row(problem, label);
                    continue;
                }
            }
            let (named, others) = draft.name_and_others();
            let mut fields = Vec::with_capacity(others.len() + 1);
            if let Some((key, tree)) = named {
                fields.push((*key, fill(draft.text, tree, self.engine, &row.scope, &mut found)));
            }
            // Where there is none, that is said below, and functions that depend on it need not complain too.
            let name = fields.first().map_or("", |(_, name)| text_of(name));
            let scope = row.scope.named(&format!("{}{name}", self.context.name_prefix));
            for (key, tree) in others {
                fields.push((*key, fill(draft.text, tree, self.engine, &scope, &mut found)));
            }

            let wanted = shape::shape(draft.text, &draft.node.at, fields, self.context, &mut found);
            if let Some(wanted) = wanted {
                let name = wanted.job.name.clone();
                if let Some(first) = self.seen.get(&name).map(|&first| &self.jobs[first].1.origin) {
                    let at = named.map(|(key, _)| key.at.clone());
                    found.push(draft.text.problem(
                        at.unwrap_or_else(|| draft.node.at.clone()),
                        format!("there is another job `{name}` already, from {}:{}", first.file, first.line),
                        "give each job a name of its own",
                    ));
                } else {
                    self.seen.insert(name.clone(), self.jobs.len());
                    self.jobs.push((name, wanted));
                }
            }
            for problem in found {
                self.problems.add_in_row(problem, label);
            }
        }
    }
}

fn text_of<'f>(filled: &'f Filled<'_>) -> &'f str {
    match &filled.kind {
        FilledKind::String(text) | FilledKind::Number(text) => text,
        _ => "",
    }
}

/// File, place and remedy of a problem: what one stroke mends. Its message may quote a value, and differ from row to row.
type Mending = (String, Option<(usize, usize)>, String);

/// The problems found so far. What is wrong in the same place in many rows, and to be mended alike, is said once.
#[derive(Default)]
struct Found {
    problems: Vec<(Problem, usize)>,
    seen: HashMap<Mending, usize>,
}

impl Found {
    fn add(&mut self, problem: Problem) {
        self.problems.push((problem, 0));
    }

    /// `row` names the row, if there is one.
    fn add_in_row(&mut self, mut problem: Problem, row: impl Fn() -> Option<String>) {
        let Some(row) = row() else { return self.add(problem) };
        let mending = (problem.file().to_owned(), problem.position(), problem.remedy().to_owned());
        if let Some(&first) = self.seen.get(&mending) {
            self.problems[first].1 += 1;
            return;
        }
        self.seen.insert(mending, self.problems.len());
        problem.note(&format!(" (in {row})"));
        self.problems.push((problem, 0));
    }

    fn finish(self) -> Vec<Problem> {
        self.problems
            .into_iter()
            .map(|(mut problem, more)| {
                if more > 0 {
                    problem.note(&format!(", and in {}", counted(more, "more row")));
                }
                problem
            })
            .collect()
    }
}
