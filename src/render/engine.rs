//! The template language: Jinja2 by minijinja, strict about undefined names, with what templates may see and call.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Rest, Serde};
use minijinja::{Environment, Error, ErrorKind, Expression, Output, State, Template, UndefinedBehavior, Value};

use crate::cache;
use crate::schedule;

use super::problem::nearest;
use super::vocabulary::{FILTERS, FUNCTIONS, NAMES, TESTS, functions, names};
use super::{Context, Table, Var};

/// Where functions find the name of the job being rendered. No template can say it: it is no identifier.
const JOB: &str = "name of the job";

/// How a column of the row begins in a leaf.
const ITEM: &str = "item.";
/// How many steps one leaf may take; a loop over a table of 10,000 rows takes a tenth of it.
const FUEL: u64 = 1_000_000;

/// Names that no data table may have.
pub(crate) fn reserved(name: &str) -> bool {
    names(NAMES).chain(functions()).any(|word| word == name)
}

/// Renders the leaves of all templates.
pub(super) struct Engine<'s> {
    env: Environment<'s>,
    notes: Arc<Notes>,
    vars: Vec<String>,
    tables: Vec<String>,
}

/// What a leaf did while it was rendered.
#[derive(Debug, Default)]
struct Notes {
    secret: AtomicBool,
    utc: AtomicBool,
}

/// A leaf's text, and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RenderedLeaf {
    pub(super) text: String,
    /// A secret variable was read.
    pub(super) secret: bool,
    /// `refresh_schedule()` was called: the fields count in UTC.
    pub(super) utc: bool,
}

/// What is wrong with a leaf: where in it, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafProblem {
    pub(super) range: Range<usize>,
    pub(super) message: String,
    pub(super) remedy: String,
}

/// What one job's leaves see beyond what all see.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) item: Option<Value>,
    /// The row comes from a secret variable.
    pub(super) secret: bool,
    context: Value,
}

impl Scope {
    /// Of the row of `for_each`, if there is one.
    pub(super) fn new(item: Option<Value>, secret: bool) -> Self {
        let context = Value::from_pairs(item.iter().map(|item| ("item", item.clone())));
        Self { item, secret, context }
    }

    /// Once the job's whole name is known.
    pub(super) fn named(&self, job: &str) -> Self {
        let item = self.item.iter().map(|item| ("item", item.clone()));
        let context = Value::from_pairs(item.chain([(JOB, Value::from(job))]));
        Self { context, ..self.clone() }
    }
}

impl<'s> Engine<'s> {
    pub(super) fn new(context: &Context, tables: &BTreeMap<String, Table>) -> Self {
        let notes = Arc::new(Notes::default());
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        // Errors then say which bytes they are about.
        env.set_debug(true);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_formatter(format);
        env.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().unwrap_or_default());
        env.add_global("namespace", context.namespace.as_str());
        env.add_global("release", context.release.as_str());
        env.add_global("cluster_domain", context.cluster_domain.as_str());
        env.add_global("vars", Value::from_object(Vars::new(&context.vars, Arc::clone(&notes))));
        for (name, table) in tables {
            env.add_global(name.clone(), Value::from(Serde(table.rows())));
        }
        let host = format!("{}.svc.{}", context.namespace, context.cluster_domain);
        env.add_function("service", move |name: Value, port: Value| match name.as_str() {
            Some(name) => {
                let port = number(&port, 0..=65_535, "the port of service() is a number from 0 to 65535")?;
                Ok(format!("http://{name}.{host}:{port}"))
            }
            None if name.is_undefined() => Err(Error::from(ErrorKind::UndefinedError)),
            None => Err(Error::new(ErrorKind::InvalidOperation, "the name of service() is a text")),
        });
        env.add_function("stagger", |state: &State<'_, '_>, interval: Value| {
            let interval = number(&interval, 1..=u64::MAX, "the interval of stagger() is in seconds, above 0")?;
            Ok(schedule::stagger(&job(state)?, interval))
        });
        let utc = Arc::clone(&notes);
        // Not `Option<Value>`: that takes a column that is misspelt for an argument that is left out, and the hard TTL would not count.
        env.add_function("refresh_schedule", move |state: &State<'_, '_>, soft: Value, Rest(more): Rest<Value>| {
            utc.utc.store(true, Ordering::Relaxed);
            let soft = ttl("soft_ttl", &soft)?
                .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "refresh_schedule() needs a soft TTL"))?;
            let hard = match more.as_slice() {
                [] => None,
                [hard] => ttl("hard_ttl", hard)?,
                _ => return Err(Error::from(ErrorKind::TooManyArguments)),
            };
            schedule::refresh_schedule(&job(state)?, soft, hard)
                .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
        });
        Self { env, notes, vars: context.vars.keys().cloned().collect(), tables: tables.keys().cloned().collect() }
    }

    /// Compiles a leaf.
    pub(super) fn template(&self, leaf: &'s str) -> Result<Template<'_, 's>, LeafProblem> {
        self.env.template_from_str(leaf).map_err(|error| self.explain(&error, leaf, None))
    }

    /// Compiles the expression of `when` or `for_each`.
    pub(super) fn expression(&self, leaf: &'s str) -> Result<Expression<'_, 's>, LeafProblem> {
        self.env.compile_expression(leaf).map_err(|error| self.explain(&error, leaf, None))
    }

    pub(super) fn render(&self, template: &Template<'_, '_>, scope: &Scope) -> Result<RenderedLeaf, LeafProblem> {
        self.notes.secret.store(false, Ordering::Relaxed);
        self.notes.utc.store(false, Ordering::Relaxed);
        let text = template
            .render(scope.context.clone())
            .map_err(|error| self.explain(&error, template.source(), Some(scope)))?;
        Ok(RenderedLeaf {
            text,
            secret: self.notes.secret.load(Ordering::Relaxed) || (scope.secret && template.source().contains("item")),
            utc: self.notes.utc.load(Ordering::Relaxed),
        })
    }

    /// Evaluates an expression to something defined, and tells whether a secret was read for it.
    pub(super) fn evaluate(
        &self,
        expression: &Expression<'_, '_>,
        leaf: &str,
        scope: &Scope,
    ) -> Result<(Value, bool), LeafProblem> {
        self.notes.secret.store(false, Ordering::Relaxed);
        let value = expression.eval(scope.context.clone()).map_err(|error| self.explain(&error, leaf, Some(scope)))?;
        if value.is_undefined() {
            return Err(self.undefined(leaf, 0..leaf.len(), scope.item.as_ref()));
        }
        Ok((value, scope.secret || self.notes.secret.load(Ordering::Relaxed)))
    }

    /// What is wrong with a leaf; it was rendered in this scope, if it could be compiled.
    fn explain(&self, error: &Error, leaf: &str, scope: Option<&Scope>) -> LeafProblem {
        let whole = leaf.trim_end().len();
        let range = error.range().filter(|range| leaf.get(range.clone()).is_some()).unwrap_or(0..whole);
        let detail = error.detail().unwrap_or_default();
        let remedy = match error.kind() {
            ErrorKind::UndefinedError => {
                return self.undefined(leaf, range, scope.and_then(|scope| scope.item.as_ref()));
            }
            ErrorKind::UnknownFunction => {
                let named = detail.split_whitespace().next().unwrap_or_default();
                match nearest(named, functions()) {
                    Some(near) => format!("did you mean `{near}()`?"),
                    None => format!("templates may call {}, and the functions of Jinja2", listed(names(FUNCTIONS))),
                }
            }
            ErrorKind::UnknownFilter => unknown(detail, names(FILTERS), "filters"),
            ErrorKind::UnknownTest => unknown(detail, TESTS.iter().copied(), "tests"),
            ErrorKind::SyntaxError => "correct the template; a text with `{{` in it is written `{{ '{{' }}`".to_owned(),
            ErrorKind::MissingArgument | ErrorKind::TooManyArguments => {
                "write `service('name', 8080)`, `refresh_schedule(soft_ttl, hard_ttl)`, `stagger(seconds)`".to_owned()
            }
            // `-` is a minus there.
            _ if self.tables.iter().any(|table| table == leaf.trim()) => {
                "no template can name this table: call it by letters, digits and `_`".to_owned()
            }
            _ => "correct the template, or the data that it reads".to_owned(),
        };
        let message = if detail.is_empty() { error.kind().to_string() } else { detail.to_owned() };
        // Messages may quote the value that they are about.
        let secret = self.notes.secret.load(Ordering::Relaxed)
            || scope.is_some_and(|scope| scope.secret && leaf.contains("item"));
        let message = if secret && error.kind() == ErrorKind::InvalidOperation {
            "this cannot be done with a secret's value".to_owned()
        } else {
            message
        };
        LeafProblem { range, message, remedy }
    }

    fn undefined(&self, leaf: &str, range: Range<usize>, item: Option<&Value>) -> LeafProblem {
        let range = undefined_part(leaf, range, item);
        let path = leaf.get(range.clone()).unwrap_or(leaf).trim();
        let (root, rest) = path.split_once('.').unwrap_or((path, ""));
        let last = rest.split(['.', '[', ' ', '|']).next().unwrap_or_default();
        let remedy = match root {
            "vars" if !last.is_empty() => {
                let near = nearest(last, self.vars.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("did you mean `vars.{near}`? otherwise "));
                format!("{near}set it with `--var {last}=…`, JOBS_VAR_{} or `--values`", last.to_uppercase())
            }
            "item" => match item {
                None => "`item` is the row of `for_each`: add `for_each: <table>` to the job".to_owned(),
                Some(item) => {
                    let columns: Vec<_> = item.try_iter().into_iter().flatten().map(|key| format!("`{key}`")).collect();
                    let near = nearest(last, columns.iter().map(|column| column.trim_matches('`')));
                    let near = near.map_or_else(String::new, |near| format!("did you mean `item.{near}`? "));
                    format!("{near}the row has the columns {}", columns.join(", "))
                }
            },
            _ => {
                let known = || names(NAMES).chain(self.tables.iter().map(String::as_str));
                match nearest(root, known().chain(functions())) {
                    Some(near) if near != root => format!("did you mean `{near}`?"),
                    _ => format!("templates see {}", listed(known())),
                }
            }
        };
        LeafProblem { range, message: format!("`{path}` is not defined"), remedy }
    }
}

/// Of a call with something undefined in it, the column of the row that there is not: the engine points at the whole call.
fn undefined_part(leaf: &str, range: Range<usize>, item: Option<&Value>) -> Range<usize> {
    let call = leaf.get(range.clone()).unwrap_or_default();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let is_missing = |at: usize| {
        let name = call[at + ITEM.len()..].split(|c| !is_name(c)).next().unwrap_or_default();
        let is_whole = !call[..at].ends_with(|c| is_name(c) || c == '.');
        let value = item.and_then(|item| item.get_attr(name).ok());
        (is_whole && value.is_some_and(|value| value.is_undefined())).then(|| at..at + ITEM.len() + name.len())
    };
    let found = if call.contains('(') { call.match_indices(ITEM).find_map(|(at, _)| is_missing(at)) } else { None };
    found.map_or(range.clone(), |part| range.start + part.start..range.start + part.end)
}

/// What to do about a filter or test that there is not.
fn unknown(detail: &str, known: impl Iterator<Item = &'static str>, what: &str) -> String {
    // "filter foo is unknown"
    let named = detail.split_whitespace().nth(1).unwrap_or_default();
    match nearest(named, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("docs/reference.md lists the {what} of Jinja2 that there are"),
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Bools as YAML and JSON write them; nothing for a null would be a silent hole in a URL.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a null has no text; write `| default('…', true)` behind it, or leave the row out with `when`",
        ));
    }
    // By far the most values are texts, and nothing is escaped.
    if let Some(text) = value.as_str() {
        return write(out, text);
    }
    match bool::try_from(value.clone()) {
        Ok(bool) if value.kind() == minijinja::value::ValueKind::Bool => Ok(write(out, bool)?),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn write(out: &mut Output<'_>, value: impl Display) -> Result<(), Error> {
    std::fmt::Write::write_fmt(out, format_args!("{value}"))
        .map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
}

/// The name of the job being rendered.
fn job(state: &State<'_, '_>) -> Result<String, Error> {
    let name = state.lookup(JOB).and_then(|name| name.as_str().map(str::to_owned));
    name.ok_or_else(|| {
        Error::new(ErrorKind::InvalidOperation, "this depends on the job's name, so the name itself cannot use it")
    })
}

/// A number; a text of one is as good, as variables of the environment are never anything else.
fn number(value: &Value, legal: RangeInclusive<u64>, otherwise: &'static str) -> Result<u64, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let number = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => u64::try_from(value.clone()).ok(),
    };
    number.filter(|number| legal.contains(number)).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, otherwise))
}

/// A TTL, as data tables give it; `None` for null and the empty text.
fn ttl(what: &str, value: &Value) -> Result<Option<SignedDuration>, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    let wrong = |problem: String| Error::new(ErrorKind::InvalidOperation, problem);
    let value = serde_json::to_value(value).map_err(|error| wrong(error.to_string()))?;
    cache::ttl(what, &value).map_err(wrong)
}

/// `vars`: notices when a secret is read.
#[derive(Debug)]
struct Vars {
    values: BTreeMap<String, (Value, bool)>,
    notes: Arc<Notes>,
}

impl Vars {
    fn new(vars: &BTreeMap<String, Var>, notes: Arc<Notes>) -> Self {
        let values =
            vars.iter().map(|(name, var)| (name.clone(), (Value::from(Serde(&var.value)), var.secret))).collect();
        Self { values, notes }
    }
}

impl Object for Vars {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (value, secret) = self.values.get(key.as_str()?)?;
        if *secret {
            self.notes.secret.store(true, Ordering::Relaxed);
        }
        Some(value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.keys().map(|key| Value::from(key.as_str())).collect())
    }
}
