//! Says what is wrong with jobs that Dkron accepts (FACTS 19 to 24c): jobs that never run, that report success for
//! refreshes that failed, that let a cache grow stale, or that take a node down with them.
//!
//! A rule is one of [`rules`]: what is wrong, why, what to do, and an example of each. Rules of one family share a
//! file with the function that looks.

mod executor;
mod finding;
mod freshness;
mod load;
mod parents;
mod schedule;
mod secrets;
mod subject;
mod surroundings;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cache::{Caches, Covered, Key, coverage};
use crate::job::{JobMap, Origin, Wanted};

pub use self::finding::{Finding, Findings};
pub(crate) use self::schedule::SCHEDULE_INVALID;
pub use self::subject::{Opened, Subject, Subjects, Timing};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may be meant.
    Warning,
    /// It cannot be meant: `apply` refuses it.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its identifier, in reports, `--allow` and the page `docs/lint.md`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// Why that is wrong, and how it is known.
    pub reason: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A template that it names.
    pub wrong: &'static str,
    /// The same, and right.
    pub right: &'static str,
}

/// All rules, family by family, in the order of `docs/lint.md`.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    FAMILIES.iter().flat_map(|family| family.iter().copied())
}

/// The rule of this identifier.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

const FAMILIES: [&[&Rule]; 7] = [
    schedule::RULES,
    freshness::RULES,
    executor::RULES,
    parents::RULES,
    surroundings::RULES,
    load::RULES,
    secrets::RULES,
];

/// The key of a job's metadata that switches rules off for it: `rule, rule: why`.
pub const ALLOW_KEY: &str = "dkron-jobs.lint-allow";

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What kind of thing.
    pub rule: &'static Rule,
    /// How bad it is here: at most as bad as the rule says.
    pub severity: Severity,
    /// The job, where it is about one.
    pub job: Option<Arc<str>>,
    /// The field of the job, such as `executor_config.headers`; empty for the job as a whole.
    pub field: String,
    /// Where the job is written down; `None` for one that is live, and for what is about no job.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// A note that somebody does not want to hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The note.
    pub note: Note,
    /// Why it is allowed, in the words of the job's metadata; empty where nothing was said.
    pub reason: String,
}

/// Whether there may be jobs that are not among those looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// No: a parent that is not among them is nowhere.
    None,
    /// Yes: parents are judged elsewhere.
    Possible,
}

/// What rules depend on beside the jobs.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The namespace that jobs call into, where their stamp does not name another.
    pub namespace: &'a str,
    /// The caches, where the table is known.
    pub caches: Option<&'a Caches>,
    /// How jobs say which cache they are for.
    pub key: &'a Key,
    /// More jobs than this on one target in the same second are a stampede.
    pub stampede: usize,
    /// Rules that are switched off for all jobs.
    pub allow: &'a BTreeSet<String>,
    /// The time that `@at` and `expires_at` are compared with.
    pub now: Timestamp,
    /// Whether there may be jobs that are not among those looked at.
    pub others: Others,
}

/// What came of looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// What is wrong: errors first, then by place and name.
    pub notes: Vec<Note>,
    /// What is wrong and allowed.
    pub allowed: Vec<Allowed>,
    /// How many jobs were looked at.
    pub jobs: usize,
}

/// Looks at all jobs.
pub fn lint(jobs: &JobMap<Wanted>, circumstances: &Circumstances<'_>) -> Lint {
    look(jobs, circumstances).0
}

/// The same, and puts the caches and their jobs together; nothing where there is no table.
pub fn lint_and_cover(jobs: &JobMap<Wanted>, circumstances: &Circumstances<'_>) -> (Lint, Vec<Covered>) {
    let (lint, subjects) = look(jobs, circumstances);
    let cover = |caches| coverage(caches, subjects.iter().filter_map(Subject::keeper));
    (lint, circumstances.caches.map(cover).unwrap_or_default())
}

fn look<'a>(jobs: &'a JobMap<Wanted>, circumstances: &Circumstances<'_>) -> (Lint, Subjects<'a>) {
    let mut notes = Notes { notes: Vec::new() };
    let subjects = Subjects::opened(jobs, circumstances.key, |job| {
        schedule::look(job, circumstances, &mut notes);
        executor::look(job, &mut notes);
        surroundings::look(job, circumstances, &mut notes);
        secrets::look(job, &mut notes);
    });
    for subject in subjects.iter() {
        executor::look_at_time(subject, &mut notes);
    }
    if circumstances.others == Others::None {
        parents::look(&subjects, &mut notes);
    }
    freshness::look(&subjects, circumstances, &mut notes);
    load::look(&subjects, circumstances, &mut notes);

    let mut lint = Lint { notes: Vec::new(), allowed: Vec::new(), jobs: jobs.len() };
    for note in notes.notes {
        let job = note.job.as_ref().and_then(|job| subjects.get(job));
        match job.and_then(|job| job.allows(note.rule)) {
            Some(reason) => lint.allowed.push(Allowed { reason: reason.to_owned(), note }),
            None if circumstances.allow.contains(note.rule.id) => {
                lint.allowed.push(Allowed { reason: String::new(), note });
            }
            None => lint.notes.push(note),
        }
    }
    lint.notes
        .sort_by(|a, b| (b.severity, &a.origin, &a.job, a.rule.id).cmp(&(a.severity, &b.origin, &b.job, b.rule.id)));
    (lint, subjects)
}

/// The notes of a run, as rules add them.
struct Notes {
    notes: Vec<Note>,
}

impl Notes {
    /// Adds what is wrong with a field of a job, with the rule's own remedy.
    fn add(&mut self, rule: &'static Rule, subject: &Subject<'_>, field: &str, message: impl Into<String>) {
        self.add_with(rule, subject, field, message, rule.remedy);
    }

    /// The same, with a remedy for this very case.
    fn add_with(
        &mut self,
        rule: &'static Rule,
        subject: &Subject<'_>,
        field: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.notes.push(Note {
            rule,
            severity: rule.severity,
            job: Some(subject.name.clone()),
            field: field.to_owned(),
            origin: subject.origin(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// Adds what is about no job.
    fn add_without_job(&mut self, rule: &'static Rule, message: String, remedy: String) {
        let (job, origin, field) = (None, None, String::new());
        self.notes.push(Note { rule, severity: rule.severity, job, field, origin, message, remedy });
    }

    /// Makes the last note a warning.
    fn only_warn(&mut self) {
        if let Some(last) = self.notes.last_mut() {
            last.severity = Severity::Warning;
        }
    }
}
