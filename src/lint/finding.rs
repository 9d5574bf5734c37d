//! A note with its place, to be shown: drawn for people, as JSON, or as SARIF for code-review tools.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;
use miette::{Diagnostic, LabeledSpan, Severity as Drawn, SourceCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cache::Covered;
use crate::job::{Origin, printable};
use crate::render::{Places, Problem};
use crate::report::Masker;
use crate::snapshot::{self, Flaw};
use crate::words::counted;

use super::parents::PARENT_CYCLE;
use super::schedule::{NAME_INVALID, SCHEDULE_INVALID};
use super::{Lint, Note, Rule, Severity, rule, rules};

/// A note, with the field's own place where it is a template's.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What is wrong; nothing in it is secret but the job's name, by which it is known.
    pub note: Note,
    /// The job's name as it may be shown.
    job: Option<Arc<str>>,
    place: Option<Problem>,
}

impl Finding {
    /// Masks a note and finds its place.
    pub fn new(mut note: Note, places: &Places, masker: &Masker) -> Self {
        // Anybody may have written what a live job or a file has in it.
        note.message = printable(&masker.text(&note.message)).into_owned();
        note.remedy = printable(&masker.text(&note.remedy)).into_owned();
        let place =
            note.origin.as_ref().and_then(|origin| places.problem(origin, &note.field, &note.message, &note.remedy));
        note.field = masker.text(&note.field);
        Self::shown(note, place, masker)
    }

    fn shown(note: Note, place: Option<Problem>, masker: &Masker) -> Self {
        // Most names have nothing to hide, and are not copied.
        let job = note.job.as_ref().map(|job| {
            let shown = masker.text(job);
            if *shown == **job { job.clone() } else { shown.into() }
        });
        Self { note, job, place }
    }

    /// What Dkron would refuse in a template; `None` where the template itself is wrong.
    pub fn of_problem(problem: &Problem, masker: &Masker) -> Option<Self> {
        let verdict = problem.verdict()?;
        let rule = rule(verdict.rule)?;
        let line = problem.position().map_or(0, |(line, _)| line);
        let note = Note {
            rule,
            severity: rule.severity,
            job: (!verdict.job.is_empty()).then(|| verdict.job.as_str().into()),
            field: verdict.field.to_owned(),
            origin: Some(Origin { file: problem.file().into(), line }),
            message: masker.text(problem.message()),
            remedy: masker.text(problem.remedy()),
        };
        Some(Self::shown(note, Some(problem.clone()), masker))
    }

    /// A job of a file that Dkron would refuse; `None` where the piece of the file is no job at all.
    pub fn of_flaw(problem: &snapshot::Problem, masker: &Masker) -> Option<Self> {
        let Flaw::Refused { name, field, words } = &problem.flaw else { return None };
        let rule = match *field {
            "name" => &NAME_INVALID,
            "parent_job" => &PARENT_CYCLE,
            _ => &SCHEDULE_INVALID,
        };
        let line = problem.line.try_into().unwrap_or(usize::MAX);
        let note = Note {
            rule,
            severity: rule.severity,
            job: (!name.is_empty()).then(|| name.as_str().into()),
            field: (*field).to_owned(),
            origin: Some(Origin { file: problem.file.as_str().into(), line }),
            message: words.clone(),
            remedy: rule.remedy.to_owned(),
        };
        Some(Self::new(note, &Places::default(), masker))
    }

    /// Line and column of the field, both from 1; of a job from elsewhere its line alone.
    fn position(&self) -> (Option<usize>, Option<usize>) {
        match self.place.as_ref().and_then(Problem::position) {
            Some((line, column)) => (Some(line), Some(column)),
            None => (self.note.origin.as_ref().map(|origin| origin.line), None),
        }
    }

    fn file(&self) -> Option<&str> {
        self.note.origin.as_ref().map(|origin| &*origin.file)
    }

    /// Where it is written down, as `file:line:column` or `file:line`; `None` for what is live or about no job.
    pub fn place(&self) -> Option<String> {
        let file = self.file()?;
        match self.position() {
            (Some(line), Some(column)) => Some(format!("{file}:{line}:{column}")),
            (Some(line), None) => Some(format!("{file}:{line}")),
            (None, _) => None,
        }
    }

    /// All of it on one line: `rule: file:line: job: message; remedy`.
    pub fn one_line(&self) -> String {
        let place = self.place().map_or_else(String::new, |place| format!("{place}: "));
        let job = self.job.as_ref().map_or_else(String::new, |job| format!("job `{}`: ", printable(job)));
        format!("{}: {place}{job}{}; {}", self.note.rule.id, self.note.message, self.note.remedy)
    }

    /// The note as one of the report's.
    fn entry(&self) -> Entry<'_> {
        let (line, column) = self.position();
        Entry {
            rule: self.note.rule.id,
            severity: self.note.severity.word(),
            job: self.job.as_deref(),
            field: (!self.note.field.is_empty()).then_some(self.note.field.as_str()),
            file: self.file(),
            line,
            column,
            message: &self.note.message,
            remedy: &self.note.remedy,
            reason: None,
        }
    }
}

/// The rule, the job, and what is wrong with it; of a job from elsewhere its file and line too.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.note.rule.id)?;
        if let (None, Some(origin)) = (&self.place, &self.note.origin) {
            write!(f, "{origin}: ")?;
        }
        if let Some(job) = &self.job {
            write!(f, "job `{}`: ", printable(job))?;
        }
        f.write_str(&self.note.message)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn severity(&self) -> Option<Drawn> {
        Some(match self.note.severity {
            Severity::Error => Drawn::Error,
            Severity::Warning => Drawn::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.note.remedy))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.place.as_ref()?.labels()
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    rule: &'static str,
    severity: &'static str,
    job: Option<&'a str>,
    field: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    message: &'a str,
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// What a run of lint found, to be shown.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is wrong: errors first.
    pub notes: Vec<Finding>,
    /// What is wrong and allowed, each with the reason that was given.
    pub allowed: Vec<(Finding, String)>,
    /// The caches with their jobs, where that was asked for and there is a table.
    pub coverage: Vec<Covered>,
    /// How many jobs were looked at.
    pub jobs: usize,
    masker: Masker,
}

impl Findings {
    /// Masks everything and finds its places. `refused` is what could not even be rendered.
    pub fn new(lint: Lint, refused: Vec<Finding>, places: &Places, masker: &Masker) -> Self {
        let Lint { notes, allowed, jobs } = lint;
        let finding = |note| Finding::new(note, places, masker);
        let jobs = jobs + refused.iter().filter_map(|finding| finding.note.job.as_ref()).collect::<BTreeSet<_>>().len();
        Self {
            notes: refused.into_iter().chain(notes.into_iter().map(finding)).collect(),
            allowed: allowed.into_iter().map(|allowed| (finding(allowed.note), masker.text(&allowed.reason))).collect(),
            coverage: Vec::new(),
            jobs,
            masker: masker.clone(),
        }
    }

    /// The same, with the caches and their jobs.
    #[must_use]
    pub fn with(self, coverage: Vec<Covered>) -> Self {
        Self { coverage, ..self }
    }

    /// The notes as people want to read them: what is wrong in one place of a template is said once, for all its jobs.
    pub fn grouped(&self) -> Vec<Finding> {
        let mut seen: HashMap<_, usize> = HashMap::new();
        let mut groups: Vec<(Finding, usize)> = Vec::new();
        for finding in &self.notes {
            let place =
                finding.place.as_ref().and_then(|place| Some((finding.note.rule.id, place.file(), place.position()?)));
            if let Some(&group) = place.and_then(|place| seen.get(&place)) {
                groups[group].1 += 1;
            } else {
                seen.extend(place.map(|place| (place, groups.len())));
                groups.push((finding.clone(), 0));
            }
        }
        let told = |(mut finding, more): (Finding, usize)| {
            if more > 0 {
                let more = format!(" (and so for {} of this template)", counted(more, "more job"));
                finding.note.message.push_str(&more);
            }
            finding
        };
        groups.into_iter().map(told).collect()
    }

    /// Leaves out what is about other jobs than those that are wanted, or about no job.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        let about = |finding: &Finding| finding.note.job.as_deref().is_some_and(&wanted);
        self.notes.retain(about);
        self.allowed.retain(|(finding, _)| about(finding));
        self.coverage.retain(|covered| covered.keepers.iter().any(|keeper| wanted(&keeper.job)));
    }

    /// How many notes are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.notes.iter().filter(|finding| finding.note.severity == severity).count()
    }

    /// Whether there is anything this bad, or worse.
    pub fn has(&self, severity: Severity) -> bool {
        self.notes.iter().any(|finding| finding.note.severity >= severity)
    }

    /// `3 errors, 1 warning, 2 allowed, in 14 jobs`.
    pub fn counts(&self) -> String {
        let allowed = match self.allowed.len() {
            0 => String::new(),
            count => format!(", {count} allowed"),
        };
        format!(
            "{}, {}{allowed} in {}",
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
            counted(self.jobs, "job")
        )
    }

    /// The report as JSON, as `schemas/lint.schema.json` says.
    pub fn json(&self) -> Value {
        let seconds = |time: SignedDuration| time.as_secs();
        let text = |text: &str| self.masker.text(text);
        let allowed: Vec<_> =
            self.allowed.iter().map(|(finding, reason)| Entry { reason: Some(reason), ..finding.entry() }).collect();
        let coverage: Vec<_> = self
            .coverage
            .iter()
            .map(|covered| {
                json!({
                    "cache": text(&covered.cache.name),
                    "verdict": covered.verdict.word(),
                    "soft_ttl": seconds(covered.cache.ttl.soft),
                    "hard_ttl": covered.cache.ttl.hard.map(seconds),
                    "allowed_interval": seconds(covered.cache.ttl.allowed_interval()),
                    "worst_gap": covered.worst_gap().map(seconds),
                    "jobs": covered.keepers.iter().map(|keeper| text(&keeper.job)).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "notes": self.notes.iter().map(Finding::entry).collect::<Vec<_>>(),
            "allowed": allowed,
            "coverage": coverage,
            "summary": {
                "jobs": self.jobs,
                "errors": self.count(Severity::Error),
                "warnings": self.count(Severity::Warning),
                "allowed": self.allowed.len(),
            },
        })
    }

    /// The report as SARIF 2.1.0, which code-review tools read. What is allowed is in it as suppressed.
    pub fn sarif(&self) -> Value {
        let driver = json!({
            "name": "dkron-jobs",
            "version": env!("CARGO_PKG_VERSION"),
            "rules": rules().map(described).collect::<Vec<_>>(),
        });
        let allowed = self.allowed.iter().map(|(finding, reason)| result(finding, Some(reason)));
        let results: Vec<_> = self.notes.iter().map(|finding| result(finding, None)).chain(allowed).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        })
    }
}

/// A rule, as SARIF wants it.
fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.reason},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": rule.severity.word()},
    })
}

/// A note, as SARIF wants it.
fn result(finding: &Finding, allowed: Option<&str>) -> Value {
    let entry = finding.entry();
    let job = entry.job.map(|job| format!("job `{job}`: ")).unwrap_or_default();
    let mut result = json!({
        "ruleId": entry.rule,
        "level": entry.severity,
        "message": {"text": format!("{job}{}; {}", entry.message, entry.remedy)},
    });
    let mut location = json!({});
    if let Some(file) = entry.file {
        let uri = file.replace('\\', "/");
        location["physicalLocation"] = json!({"artifactLocation": {"uri": uri}});
        if let Some(line) = entry.line {
            location["physicalLocation"]["region"] = json!({"startLine": line});
        }
        if let Some(column) = entry.column {
            location["physicalLocation"]["region"]["startColumn"] = json!(column);
        }
    }
    if let Some(job) = entry.job {
        location["logicalLocations"] = json!([{"name": job, "kind": "object"}]);
    }
    if location.as_object().is_some_and(|location| !location.is_empty()) {
        result["locations"] = json!([location]);
    }
    if let Some(reason) = allowed {
        result["suppressions"] = json!([{"kind": "inSource", "justification": reason}]);
    }
    result
}
