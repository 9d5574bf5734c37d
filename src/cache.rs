//! The caches that jobs keep fresh: the rows of table `cache_param`, which job is for which, and whether it runs often enough.
//!
//! The brief has this compared by hand, row by row, each time a schedule or a TTL changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use crate::job::{Fields, Packed};
use crate::render::{Row, Table};
use crate::schedule::allowed_interval;

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
    /// The rows that can be understood.
    pub caches: BTreeMap<String, Cache>,
    /// What is wrong with the others, in words that name the row.
    pub problems: Vec<String>,
}

impl Caches {
    /// Reads the columns `name`, `soft_ttl`, `hard_ttl` and `enabled`; others are of no interest here.
    pub fn of(table: &Table) -> Self {
        let mut all = Self::default();
        for (index, row) in table.rows().iter().enumerate() {
            match cache(row) {
                Ok(cache) if all.caches.contains_key(&cache.name) => {
                    all.problems.push(format!("row {}: there is another cache `{}` above it", index + 1, cache.name));
                }
                Ok(cache) => drop(all.caches.insert(cache.name.clone(), cache)),
                Err(problem) => all.problems.push(format!("row {}: {problem}", index + 1)),
            }
        }
        all
    }
}

fn cache(row: &Row) -> Result<Cache, String> {
    let column = |name: &str| row.get(name).unwrap_or(&Value::Null);
    let name = text(column("name")).filter(|name| !name.is_empty()).ok_or("it has no `name`")?;
    let soft = ttl("soft_ttl", column("soft_ttl"))?.ok_or_else(|| format!("cache `{name}` has no `soft_ttl`"))?;
    let hard = ttl("hard_ttl", column("hard_ttl"))?;
    if !soft.is_positive() {
        let said = text(column("soft_ttl")).unwrap_or_default();
        return Err(format!("the soft TTL of cache `{name}` is `{said}`, which is not positive"));
    }
    let off = match column("enabled") {
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["false", "no", "off", "0"].iter().any(|no| text.trim().eq_ignore_ascii_case(no)),
        _ => false,
    };
    Ok(Cache { name, ttl: Ttl { soft, hard }, wanted: !off })
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
pub fn own_ttl(job: &Fields<'_>, mut bad: impl FnMut(&'static str, BadTtl)) -> Option<Ttl> {
    let mut read = |key| {
        let said = job.metadata.get(key)?;
        match ttl(key, &Value::from(said)) {
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
    /// By far the most keys are one of metadata, and a job need not be taken apart for that.
    kind: KeyKind,
}

enum KeyKind {
    Metadata(String),
    /// Holds the expression as the one template [`EXPRESSION`], compiled.
    Expression(Box<Environment<'static>>),
}

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
        let plain = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
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
    pub fn of(&self, job: &Fields<'_>) -> Option<String> {
        let name = match &self.kind {
            KeyKind::Metadata(key) => job.metadata.get(key).map(ToOwned::to_owned),
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
/// after. `find` gives a job by its name; there are so many.
pub fn off<'j>(job: &'j Packed, jobs: usize, find: impl Fn(&str) -> Option<&'j Packed>) -> Option<Arc<str>> {
    let mut at = job;
    // A walk longer than the number of jobs goes round in a circle.
    for _ in 0..=jobs {
        if at.disabled() {
            return Some(at.name().clone());
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
        match (self.verdict, self.keepers.as_slice()) {
            (Verdict::Kept | Verdict::TooSlow | Verdict::NotWanted, _) => None,
            (Verdict::NoJob | Verdict::SwitchedOff, []) => Some("no job is for it".to_owned()),
            (Verdict::NoJob | Verdict::SwitchedOff, [Keeper { job, off: Some(off), .. }]) if job != off => {
                Some(format!("its job `{job}` runs after `{off}`, which is switched off"))
            }
            (Verdict::NoJob | Verdict::SwitchedOff, [Keeper { job, .. }]) => {
                Some(format!("its job `{job}` is switched off"))
            }
            (Verdict::NoJob | Verdict::SwitchedOff, all) => Some(format!("its {} jobs are switched off", all.len())),
        }
    }
}

/// Puts caches and jobs together: each cache by name. Jobs whose cache is in no row are left out.
pub fn coverage(caches: &Caches, keepers: impl IntoIterator<Item = Keeper>) -> Vec<Covered> {
    let mut by_cache: BTreeMap<&str, Vec<Keeper>> = BTreeMap::new();
    for keeper in keepers {
        if let Some((name, _)) = caches.caches.get_key_value(&keeper.cache) {
            by_cache.entry(name).or_default().push(keeper);
        }
    }
    let covered = caches.caches.values().map(|cache| {
        let keepers = by_cache.remove(cache.name.as_str()).unwrap_or_default();
        let running = || keepers.iter().filter(|keeper| keeper.off.is_none());
        let often_enough = |keeper: &Keeper| keeper.worst_gap.is_some_and(|gap| gap <= cache.ttl.allowed_interval());
        let verdict = if running().any(often_enough) {
            Verdict::Kept
        } else if running().next().is_some() {
            Verdict::TooSlow
        } else if !cache.wanted {
            Verdict::NotWanted
        } else if keepers.is_empty() {
            Verdict::NoJob
        } else {
            Verdict::SwitchedOff
        };
        Covered { cache: cache.clone(), keepers, verdict }
    });
    covered.collect()
}
