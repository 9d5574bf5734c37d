//! The caches that jobs keep fresh: the rows of table `cache_param`, which job is for which, and whether it runs often enough.
//!
//! The brief has this compared by hand, row by row, each time a schedule or a TTL changes.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use crate::job::Job;
use crate::schedule::allowed_interval;
use crate::table::{Row, Table};

/// The data table that the caches stand in.
pub const TABLE: &str = "cache_param";

/// The key that says which cache a job is for, where nothing else is said.
pub const DEFAULT_KEY: &str = "metadata.cache_param";

/// How long a cached value lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// After this it should be fresher.
    pub soft: SignedDuration,
    /// After this it is gone; `None` where nothing is said.
    pub hard: Option<SignedDuration>,
}

impl Ttl {
    /// The longest time that may pass between two refreshes, by the brief's rule.
    pub fn allowed_interval(&self) -> SignedDuration {
        allowed_interval(self.soft, self.hard)
    }
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its name, column `name`.
    pub name: String,
    /// Columns `soft_ttl` and `hard_ttl`.
    pub ttl: Ttl,
    /// Whether a job is wanted for it: all but rows whose column `enabled` says no.
    pub wanted: bool,
}

/// The caches of a table, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caches {
    /// The rows that can be understood, in the order of their names.
    caches: Vec<Cache>,
    /// What is wrong with the others, or with the hard TTL of one of these, in words that name the row.
    pub problems: Vec<String>,
}

impl Caches {
    /// Reads the columns `name`, `soft_ttl`, `hard_ttl` and `enabled`; others are of no interest here.
    pub fn of(table: &Table) -> Self {
        let mut read = Vec::with_capacity(table.rows().len());
        let mut problems = Vec::new();
        for (row, cells) in (1_usize..).zip(table.rows()) {
            match cache(cells) {
                Ok((cache, problem)) => {
                    problems.extend(problem.map(|problem| (row, problem)));
                    read.push((row, cache));
                }
                Err(problem) => problems.push((row, problem)),
            }
        }
        // Stable: of two of the same name the upper one comes first, and counts.
        read.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        let mut caches: Vec<Cache> = Vec::with_capacity(read.len());
        for (row, cache) in read {
            if caches.last().is_some_and(|above| above.name == cache.name) {
                problems.push((row, format!("there is another cache `{}` above it", cache.name)));
            } else {
                caches.push(cache);
            }
        }
        problems.sort();
        Self { caches, problems: problems.into_iter().map(|(row, problem)| format!("row {row}: {problem}")).collect() }
    }

    /// Each of them, in the order of their names.
    pub fn all(&self) -> &[Cache] {
        &self.caches
    }

    /// Which of [`Caches::all`] has this name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.caches.binary_search_by(|cache| cache.name.as_str().cmp(name)).ok()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Cache> {
        self.position(name).map(|at| &self.caches[at])
    }
}

/// The cache of a row, and what is wrong with its hard TTL: without that it is a cache as well.
fn cache(row: &Row) -> Result<(Cache, Option<String>), String> {
    let column = |name: &str| row.get(name).unwrap_or(&Value::Null);
    let name = text(column("name")).filter(|name| !name.is_empty()).ok_or("it has no `name`")?;
    let soft = ttl("soft_ttl", column("soft_ttl"))?.ok_or_else(|| format!("cache `{name}` has no `soft_ttl`"))?;
    let hard = ttl("hard_ttl", column("hard_ttl"))?;
    let not_positive = |which: &str, name_of_column: &str| {
        let said = text(column(name_of_column)).unwrap_or_default();
        format!("the {which} TTL of cache `{name}` is `{said}`, which is not positive")
    };
    if !soft.is_positive() {
        return Err(not_positive("soft", "soft_ttl"));
    }
    let problem = hard.filter(|hard| !hard.is_positive()).map(|_| not_positive("hard", "hard_ttl"));
    let hard = hard.filter(SignedDuration::is_positive);
    let off = match column("enabled") {
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["false", "no", "off", "0"].iter().any(|no| text.trim().eq_ignore_ascii_case(no)),
        _ => false,
    };
    Ok((Cache { name, ttl: Ttl { soft, hard }, wanted: !off }, problem))
}

/// A text or number as a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A TTL as tables and metadata give it: seconds, or a text with a unit (`5m`, `1h 30m`, `2d`, `PT5M`). `None` for null and the
/// empty text.
///
/// # Errors
/// It is none of those; `what` is its name.
pub fn ttl(what: &str, value: &Value) -> Result<Option<SignedDuration>, String> {
    let wrong = || {
        let shown = text(value).unwrap_or_else(|| value.to_string());
        format!("the {what} `{shown}` is no duration; write seconds (`300`) or a unit (`5m`, `2h`, `1d`)")
    };
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => {
            if let Ok(seconds) = text.trim().parse() {
                return Ok(Some(SignedDuration::from_secs(seconds)));
            }
            let span: Span = text.trim().parse().map_err(|_| wrong())?;
            span.to_duration(SpanRelativeTo::days_are_24_hours()).map(Some).map_err(|_| wrong())
        }
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(seconds), _) => Ok(Some(SignedDuration::from_secs(seconds))),
            (None, Some(seconds)) => SignedDuration::try_from_secs_f64(seconds).map(Some).map_err(|_| wrong()),
            (None, None) => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// Why a TTL of a job's own metadata counts as none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTtl {
    /// It cannot be understood; in words.
    NoDuration(String),
    /// It is zero or negative.
    NotPositive,
}

/// The TTLs that a job's own metadata gives (`soft_ttl`, `hard_ttl`), which count where no table gives them. `bad` is told of each
/// that counts as none, by its key.
pub fn own_ttl(job: &Job, mut bad: impl FnMut(&'static str, BadTtl)) -> Option<Ttl> {
    let mut read = |key| {
        let said = job.metadata.get(key)?;
        match ttl(key, &Value::from(said.as_str())) {
            Ok(Some(ttl)) if ttl.is_positive() => return Some(ttl),
            Ok(Some(_)) => bad(key, BadTtl::NotPositive),
            Ok(None) => {}
            Err(words) => bad(key, BadTtl::NoDuration(words)),
        }
        None
    };
    let (soft, hard) = (read("soft_ttl"), read("hard_ttl"));
    Some(Ttl { soft: soft?, hard })
}

/// The name of a key's template.
const EXPRESSION: &str = "cache key";

/// How a job says which cache it is for.
pub struct Key {
    text: String,
    kind: KeyKind,
}

enum KeyKind {
    Metadata(String),
    /// Holds the expression as the one template [`EXPRESSION`], compiled.
    Expression(Box<Environment<'static>>),
}

/// [`DEFAULT_KEY`].
impl Default for Key {
    fn default() -> Self {
        Self { text: DEFAULT_KEY.to_owned(), kind: KeyKind::Metadata(TABLE.to_owned()) }
    }
}

/// Two are the same that read the same.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.text).finish()
    }
}

impl Key {
    /// Reads an expression over the fields of a job, named as in Dkron's API: `metadata.cache_param`,
    /// `name | replace('refresh-', '')`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(expression: &str) -> Result<Self, String> {
        // A key with `-` in it is meant, and no subtraction.
        let plain = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let text = expression.trim().to_owned();
        if let Some(key) = text.strip_prefix("metadata.").filter(plain) {
            return Ok(Self { kind: KeyKind::Metadata(key.to_owned()), text });
        }
        let mut environment = Environment::new();
        // What is not there is no cache's name.
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let refuse = |error: minijinja::Error| format!("is no expression over a job's fields: {error}");
        environment.compile_expression(&text).map_err(refuse)?;
        environment.add_template_owned(EXPRESSION, format!("{{{{ {text} }}}}")).map_err(refuse)?;
        Ok(Self { kind: KeyKind::Expression(Box::new(environment)), text })
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the cache that a job is for; `None` where the job does not say.
    pub fn of(&self, job: &Job) -> Option<String> {
        let name = match &self.kind {
            KeyKind::Metadata(key) => job.metadata.get(key).cloned(),
            KeyKind::Expression(environment) => {
                let template = environment.get_template(EXPRESSION).ok()?;
                // A job that has not what the expression wants is for no cache.
                template.render(Serde(job)).ok().filter(|name| name != "none")
            }
        };
        name.filter(|name| !name.trim().is_empty())
    }
}

/// A job that is for a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    /// The job's name.
    pub job: Arc<str>,
    /// The cache that it is for.
    pub cache: String,
    /// The job that keeps it from running: see [`off`].
    pub off: Option<Arc<str>>,
    /// The longest time between two runs by its schedule; `None` where there are no two.
    pub worst_gap: Option<SignedDuration>,
}

/// The job because of which this one does not run by itself: the nearest that is switched off, of it and of those that it runs
/// after. `find` gives a job by its name, and `jobs` is how many it knows.
pub fn off<'j>(job: &'j Job, jobs: usize, find: impl Fn(&str) -> Option<&'j Job>) -> Option<Arc<str>> {
    let mut at = job;
    // A walk longer than the number of jobs goes round in a circle.
    for _ in 0..=jobs {
        if at.disabled {
            return Some(at.name.clone());
        }
        at = find(at.parent()?)?;
    }
    None
}

/// How a cache is kept fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A job runs often enough.
    Kept,
    /// Jobs run, and none of them often enough.
    TooSlow,
    /// Its only jobs are switched off, or run after others that are.
    SwitchedOff,
    /// There is no job for it.
    NoJob,
    /// The table wants no job for it, and there is none that runs.
    NotWanted,
}

impl Verdict {
    /// In words, for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept fresh",
            Self::TooSlow => "too slow",
            Self::SwitchedOff => "switched off",
            Self::NoJob => "no job",
            Self::NotWanted => "not wanted",
        }
    }

    /// Whether nobody refreshes the cache, though somebody should.
    pub fn is_abandoned(self) -> bool {
        matches!(self, Self::NoJob | Self::SwitchedOff)
    }
}

/// A cache with its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    /// The row.
    pub cache: Cache,
    /// The jobs that are for it, by name.
    pub keepers: Vec<Keeper>,
    /// What they come to.
    pub verdict: Verdict,
}

impl Covered {
    /// The shortest of the worst gaps of the jobs that are switched on.
    pub fn worst_gap(&self) -> Option<SignedDuration> {
        self.keepers.iter().filter(|keeper| keeper.off.is_none()).filter_map(|keeper| keeper.worst_gap).min()
    }

    /// Why nobody refreshes it, in words; `None` where a job does, or none is wanted.
    pub fn abandoned(&self) -> Option<String> {
        self.verdict.is_abandoned().then(|| abandoned(&self.keepers))
    }
}

/// Why nobody refreshes a cache, in words; `keepers` are its jobs.
pub fn abandoned(keepers: &[Keeper]) -> String {
    match keepers {
        [] => "no job is for it".to_owned(),
        [Keeper { job, off: Some(off), .. }] if job != off => {
            format!("its job `{job}` runs after `{off}`, which is switched off")
        }
        [Keeper { job, .. }] => format!("its job `{job}` is switched off"),
        all => format!("its {} jobs are switched off", all.len()),
    }
}

/// What the jobs of a cache come to, told one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    any: bool,
    running: bool,
    often_enough: bool,
}

impl Tally {
    /// One more job for this cache: whether something keeps it from running (see [`off`]), and the longest time between two runs.
    pub fn add(&mut self, cache: &Cache, is_off: bool, worst_gap: Option<SignedDuration>) {
        self.any = true;
        self.running |= !is_off;
        self.often_enough |= !is_off && worst_gap.is_some_and(|gap| gap <= cache.ttl.allowed_interval());
    }

    /// What they come to.
    pub fn verdict(self, cache: &Cache) -> Verdict {
        match self {
            Self { often_enough: true, .. } => Verdict::Kept,
            Self { running: true, .. } => Verdict::TooSlow,
            _ if !cache.wanted => Verdict::NotWanted,
            Self { any: false, .. } => Verdict::NoJob,
            _ => Verdict::SwitchedOff,
        }
    }
}

/// Puts caches and jobs together: each cache by name. Jobs whose cache is in no row are left out.
pub fn coverage(caches: &Caches, keepers: impl IntoIterator<Item = Keeper>) -> Vec<Covered> {
    let covered = |cache: &Cache| Covered { cache: cache.clone(), keepers: Vec::new(), verdict: Verdict::NoJob };
    let mut all: Vec<_> = caches.all().iter().map(covered).collect();
    for keeper in keepers {
        if let Some(at) = caches.position(&keeper.cache) {
            let keepers = &mut all[at].keepers;
            // Nearly always there is one.
            if keepers.is_empty() {
                keepers.reserve_exact(1);
            }
            keepers.push(keeper);
        }
    }
    for Covered { cache, keepers, verdict } in &mut all {
        let mut tally = Tally::default();
        for keeper in &*keepers {
            tally.add(cache, keeper.off.is_some(), keeper.worst_gap);
        }
        *verdict = tally.verdict(cache);
    }
    all
}
