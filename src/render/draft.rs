//! One job's template: its leaves compiled once, and filled in for each row.

use std::iter;
use std::ops::Range;

use minijinja::{Expression, Template};

use crate::job::{FIELDS, SERVER_FIELDS, http};

use super::engine::{Engine, LeafProblem, Scope};
use super::problem::{Problem, Text, nearest};
use super::yaml::{Key, Kind, Node, TAG_REMEDY, is_template, tagged};

/// The key that names the rows to render one job for.
const FOR_EACH: &str = "for_each";
/// The key that leaves jobs out.
const WHEN: &str = "when";
/// The field that others may depend on.
const NAME: &str = "name";

/// A job's template, compiled.
pub(super) struct Draft<'s> {
    pub(super) text: &'s Text,
    pub(super) node: &'s Node,
    for_each: Condition<'s>,
    when: Condition<'s>,
    /// The name first, if there is one.
    fields: Vec<Field<'s>>,
}

/// A field of the job.
type Field<'s> = (&'s Key, Tree<'s>);

/// A node with its leaves compiled.
pub(super) struct Tree<'s> {
    node: &'s Node,
    kind: TreeKind<'s>,
}

enum TreeKind<'s> {
    Literal,
    /// It could not be compiled, which is said already.
    Broken,
    Leaf(Template<'s, 's>),
    List(Vec<Tree<'s>>),
    Map(Vec<(&'s Key, Tree<'s>)>),
}

/// What stands behind `when` or `for_each`.
enum Condition<'s> {
    /// Nothing does.
    Missing,
    /// It could not be compiled, which is said already.
    Broken,
    Literal {
        node: &'s Node,
        value: bool,
    },
    Expression {
        node: &'s Node,
        leaf: &'s str,
        expression: Expression<'s, 's>,
    },
    Leaf {
        node: &'s Node,
        template: Template<'s, 's>,
    },
}

/// A node with its leaves filled in.
#[derive(Debug, Clone)]
pub(super) struct Filled<'s> {
    pub(super) at: Range<usize>,
    pub(super) kind: FilledKind<'s>,
    /// A secret variable was read for it.
    pub(super) secret: bool,
    /// Its schedule fields count in UTC.
    pub(super) utc: bool,
}

#[derive(Debug, Clone)]
pub(super) enum FilledKind<'s> {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    List(Vec<Filled<'s>>),
    Map(Vec<(&'s Key, Filled<'s>)>),
    /// It could not be filled in, which is said already.
    Broken,
}

impl Filled<'_> {
    /// Whether a secret variable was read anywhere in it.
    pub(super) fn has_secret(&self) -> bool {
        self.secret
            || match &self.kind {
                FilledKind::List(list) => list.iter().any(Filled::has_secret),
                FilledKind::Map(map) => map.iter().any(|(_, value)| value.has_secret()),
                _ => false,
            }
    }
}

/// One row of `for_each`; a job without `for_each` has one without an item.
pub(super) struct Item {
    pub(super) scope: Scope,
    /// From 0.
    index: usize,
}

impl Item {
    /// What to call it in messages.
    pub(super) fn label(&self) -> Option<String> {
        let item = self.scope.item.as_ref()?;
        let name = item.get_attr("name").ok().filter(|name| !name.is_undefined() && !name.is_none());
        // What the row holds may be a secret.
        let name = name.filter(|_| !self.scope.secret).map_or_else(String::new, |name| format!(", `{name}`"));
        Some(format!("row {}{name}", self.index + 1))
    }
}

impl<'s> Draft<'s> {
    /// Compiles a document, as far as that goes; the rest can then still be looked at. `None` for what is no job at all.
    pub(super) fn compile(
        text: &'s Text,
        node: &'s Node,
        engine: &'s Engine<'s>,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let Kind::Map(map) = &node.kind else {
            problems.push(text.problem(
                node.at.clone(),
                format!("a job is a map of its fields, and this is {}", node.kind.word()),
                "write `name: …`, `schedule: …` and so on",
            ));
            return None;
        };
        let mut compiler = Compiler { text, engine, problems };
        let mut draft = Self {
            text,
            node,
            for_each: Condition::Missing,
            when: Condition::Missing,
            fields: Vec::with_capacity(map.len()),
        };
        for (key, value) in map {
            match key.text.as_str() {
                FOR_EACH => draft.for_each = compiler.condition(value),
                WHEN => draft.when = compiler.condition(value),
                name => {
                    if let Some((message, remedy)) = unknown_field(name) {
                        compiler.problems.push(text.problem(key.at.clone(), message, remedy));
                        continue;
                    }
                    let tree = compiler.tree(value);
                    draft.fields.push((key, tree));
                    if name == NAME {
                        draft.fields.rotate_right(1);
                    }
                }
            }
        }
        Some(draft)
    }

    /// The name, and the other fields, whose leaves may depend on it.
    pub(super) fn name_and_others(&self) -> (Option<&Field<'s>>, &[Field<'s>]) {
        match self.fields.split_first() {
            Some((first, others)) if first.0.text == NAME => (Some(first), others),
            _ => (None, &self.fields),
        }
    }

    /// The rows to render it for.
    ///
    /// # Errors
    /// `for_each` names no list.
    pub(super) fn rows(&self, engine: &Engine<'_>) -> Result<Box<dyn Iterator<Item = Item>>, Problem> {
        let mut secret = false;
        let (node, list) = match &self.for_each {
            Condition::Missing => return Ok(Box::new(iter::once(Item { scope: Scope::new(None, false), index: 0 }))),
            // Without its rows nothing more can be said.
            Condition::Broken => return Ok(Box::new(iter::empty())),
            Condition::Literal { node, .. } | Condition::Leaf { node, .. } => (*node, None),
            Condition::Expression { node, leaf, expression } => {
                let (value, is_secret) = engine
                    .evaluate(expression, leaf, &Scope::new(None, false))
                    .map_err(|problem| place(self.text, node, leaf, problem))?;
                secret = is_secret;
                let is_list = value.kind() == minijinja::value::ValueKind::Seq
                    || value.kind() == minijinja::value::ValueKind::Iterable;
                (*node, is_list.then(|| value.try_iter().ok()).flatten())
            }
        };
        let Some(list) = list else {
            return Err(self.text.problem(
                node.at.clone(),
                "`for_each` names no list",
                "name a data table (`for_each: cache_param`) or a list, without `{{ }}`",
            ));
        };
        Ok(Box::new(list.enumerate().map(move |(index, item)| Item { scope: Scope::new(Some(item), secret), index })))
    }

    /// Whether the job is wanted for this row.
    ///
    /// # Errors
    /// `when` cannot be decided.
    pub(super) fn is_wanted(&self, engine: &Engine<'_>, scope: &Scope) -> Result<bool, Problem> {
        match &self.when {
            // Where it is broken, the job's own fields are looked at all the same.
            Condition::Missing | Condition::Broken => Ok(true),
            Condition::Literal { value, .. } => Ok(*value),
            Condition::Expression { node, leaf, expression } => {
                let (value, secret) = engine
                    .evaluate(expression, leaf, scope)
                    .map_err(|problem| place(self.text, node, leaf, problem))?;
                match value.as_str() {
                    // A text that says no must not mean yes, as it does in Jinja.
                    Some(text) => self.said(node, text, secret),
                    None => Ok(value.is_true()),
                }
            }
            Condition::Leaf { node, template } => {
                let rendered = engine
                    .render(template, scope)
                    .map_err(|problem| place(self.text, node, template.source(), problem))?;
                self.said(node, &rendered.text, rendered.secret)
            }
        }
    }

    fn said(&self, node: &Node, text: &str, secret: bool) -> Result<bool, Problem> {
        match text.trim() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            other => Err(self.text.problem(
                node.at.clone(),
                if secret {
                    "`when` comes to a secret, which is neither `true` nor `false`".to_owned()
                } else {
                    format!("`when` comes to `{other}`, which is neither `true` nor `false`")
                },
                "compare it with something: `item.scope == 'eu'`",
            )),
        }
    }
}

/// Fills in all leaves below a node.
pub(super) fn fill<'s>(
    text: &Text,
    tree: &Tree<'s>,
    engine: &Engine<'_>,
    scope: &Scope,
    problems: &mut Vec<Problem>,
) -> Filled<'s> {
    let node = tree.node;
    let mut filled = Filled { at: node.at.clone(), kind: FilledKind::Null, secret: false, utc: false };
    filled.kind = match &tree.kind {
        TreeKind::Literal => literal(&node.kind),
        TreeKind::Broken => FilledKind::Broken,
        TreeKind::Leaf(template) => match engine.render(template, scope) {
            Ok(rendered) => {
                filled.secret = rendered.secret;
                filled.utc = rendered.utc;
                match node.tag.map(|tag| tagged(tag, rendered.text.clone())) {
                    None => FilledKind::String(rendered.text),
                    Some(Ok(kind)) => literal(&kind),
                    // What was rendered may be a secret: it is not said.
                    Some(Err(_)) if rendered.secret => {
                        problems.push(text.problem(node.at.clone(), "the secret is not what its tag says", TAG_REMEDY));
                        FilledKind::Broken
                    }
                    Some(Err(problem)) => {
                        problems.push(text.problem(node.at.clone(), problem, TAG_REMEDY));
                        FilledKind::Broken
                    }
                }
            }
            Err(problem) => {
                problems.push(place(text, node, template.source(), problem));
                FilledKind::Broken
            }
        },
        TreeKind::List(list) => {
            FilledKind::List(list.iter().map(|tree| fill(text, tree, engine, scope, problems)).collect())
        }
        TreeKind::Map(map) => {
            FilledKind::Map(map.iter().map(|(key, tree)| (*key, fill(text, tree, engine, scope, problems))).collect())
        }
    };
    filled
}

fn literal<'s>(kind: &Kind) -> FilledKind<'s> {
    match kind {
        Kind::Bool(bool) => FilledKind::Bool(*bool),
        Kind::Number(number) => FilledKind::Number(number.clone()),
        Kind::String(string) => FilledKind::String(string.clone()),
        // Lists and maps are trees of their own.
        Kind::Null | Kind::List(_) | Kind::Map(_) => FilledKind::Null,
    }
}

struct Compiler<'s, 'p> {
    text: &'s Text,
    engine: &'s Engine<'s>,
    problems: &'p mut Vec<Problem>,
}

impl<'s> Compiler<'s, '_> {
    fn key(&mut self, key: &Key) {
        if is_template(&key.text) {
            self.problems.push(self.text.problem(
                key.at.clone(),
                "a key is no template",
                "write the key out; only values are rendered",
            ));
        }
    }

    fn tree(&mut self, node: &'s Node) -> Tree<'s> {
        let kind = match &node.kind {
            Kind::String(leaf) if is_template(leaf) => match self.engine.template(leaf) {
                Ok(template) => TreeKind::Leaf(template),
                Err(problem) => {
                    self.problems.push(place(self.text, node, leaf, problem));
                    TreeKind::Broken
                }
            },
            Kind::List(list) => TreeKind::List(list.iter().map(|node| self.tree(node)).collect()),
            Kind::Map(map) => TreeKind::Map(
                map.iter()
                    .map(|(key, node)| {
                        self.key(key);
                        (key, self.tree(node))
                    })
                    .collect(),
            ),
            _ => TreeKind::Literal,
        };
        Tree { node, kind }
    }

    fn condition(&mut self, node: &'s Node) -> Condition<'s> {
        let compiled = match &node.kind {
            Kind::Null => return Condition::Missing,
            Kind::Bool(value) => return Condition::Literal { node, value: *value },
            Kind::String(leaf) if is_template(leaf) => self
                .engine
                .template(leaf)
                .map(|template| Condition::Leaf { node, template })
                .map_err(|error| (leaf, error)),
            Kind::String(leaf) => self
                .engine
                .expression(leaf)
                .map(|expression| Condition::Expression { node, leaf, expression })
                .map_err(|error| (leaf, error)),
            other => {
                let message = format!("an expression is wanted here, and this is {}", other.word());
                self.problems.push(self.text.problem(node.at.clone(), message, "write a text, such as `cache_param`"));
                return Condition::Broken;
            }
        };
        compiled.unwrap_or_else(|(leaf, problem)| {
            self.problems.push(place(self.text, node, leaf, problem));
            Condition::Broken
        })
    }
}

/// From a place in a leaf's text to the place in the file.
fn place(text: &Text, node: &Node, leaf: &str, problem: LeafProblem) -> Problem {
    let raw = text.as_str().get(node.at.clone()).unwrap_or_default();
    let at = if let Some(start) = raw.find(leaf) {
        // Written as it is: plain, quoted without escapes, or on one line.
        let start = node.at.start + start;
        start + problem.range.start..start + problem.range.end
    } else {
        // Folded, indented or escaped: the words in question are looked for where they were written.
        let words = leaf.get(problem.range.clone()).map(str::trim).filter(|words| !words.is_empty());
        let found = words.and_then(|words| raw.find(words).map(|start| start..start + words.len()));
        let first_line = node.at.start..node.at.start + raw.lines().next().map_or(0, str::len);
        found.map_or(first_line, |found| node.at.start + found.start..node.at.start + found.end)
    };
    text.problem(at, problem.message, problem.remedy)
}

/// What is wrong with a key that is no field of a job, and what to do; `None` for one that is.
fn unknown_field(name: &str) -> Option<(String, String)> {
    if FIELDS.contains(&name) {
        return None;
    }
    if SERVER_FIELDS.contains(&name) {
        return Some((format!("`{name}` is Dkron's own field"), "take it away: only the server sets it".to_owned()));
    }
    let ours = FIELDS.iter().copied().chain([FOR_EACH, WHEN]);
    let remedy = match (nearest(name, http::KEYS), nearest(name, ours.clone())) {
        (Some(near), _) if near == name => format!("`{near}` belongs into `executor_config`"),
        (_, Some(near)) => format!("did you mean `{near}`?"),
        (Some(near), None) => format!("did you mean `{near}`? it belongs into `executor_config`"),
        (None, None) if is_template(name) => "a key is no template: write it out".to_owned(),
        (None, None) => format!("a job has the fields {}", ours.collect::<Vec<_>>().join(", ")),
    };
    Some((format!("`{name}` is no field of a job"), remedy))
}
