//! What was planned and what came of it, for people and for machines.
//!
//! Everything here is masked already: a report can be shown to anyone who may read the log.

mod find;
mod mask;
mod named;
mod names;
mod text;

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::job::{Difference, Owner};
use crate::plan::{self, Change, Heal, Item, Plan, Reason};

pub(crate) use self::mask::carries_secret;
pub use self::mask::{Masker, starred};
pub use self::names::MASK;
pub(crate) use self::names::secret_name;
pub use self::text::Style;
pub(crate) use self::text::brief;

/// A URL as it may be shown: without user, password and the values of parameters whose names say that they are secret.
pub fn shown_url(url: &url::Url) -> String {
    mask::url(url.as_str())
}

/// A text that was to be a URL and may be none, without what stands before an `@` and behind a `?`.
pub(crate) fn shown_source(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    // Parameters may be tokens.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    format!("{scheme}://{rest}")
}

/// What came of one item of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not tried: this is a plan.
    Planned,
    /// Nothing was to be done.
    Unchanged,
    /// Written, and seen in Dkron afterwards.
    Done,
    /// Tried without success; why.
    Failed(String),
    /// Not tried; why.
    Skipped(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Unchanged => "unchanged",
            Self::Done => "done",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    fn error(&self) -> Option<&str> {
        match self {
            Self::Failed(why) | Self::Skipped(why) => Some(why),
            Self::Planned | Self::Unchanged | Self::Done => None,
        }
    }
}

/// How many jobs of each kind. In a plan: how many there would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Jobs that were not there.
    pub created: usize,
    /// Jobs whose definition, switch or stamp was written.
    pub updated: usize,
    /// Jobs taken away.
    pub deleted: usize,
    /// Jobs for which nothing was sent.
    pub unchanged: usize,
    /// Writes that did not succeed.
    pub failed: usize,
    /// Writes that were not tried.
    pub skipped: usize,
    /// Of the created and updated: as a backup has them.
    pub restored: usize,
    /// Of the updated: there before without a stamp.
    pub adopted: usize,
    /// Switched off by hand and left so.
    pub kept_disabled: usize,
    /// Of the updated: an execution without an end blocked them.
    pub healed: usize,
    /// Of the updated: the scheduler had them otherwise than they are stored, or not at all.
    pub rescheduled: usize,
}

/// One job's line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobReport {
    /// Its name.
    pub name: String,
    /// `create`, `update`, `delete` or `unchanged`.
    pub action: &'static str,
    /// `planned`, `done`, `failed`, `skipped` or `unchanged`.
    pub outcome: &'static str,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// What changes, masked. For an edit that was left: where it differs from the template.
    pub changes: Vec<Difference>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// The report of every command that plans; its JSON form is described by `schemas/report.schema.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Report<'a> {
    /// The command's name.
    pub command: &'static str,
    /// Whose jobs: `<namespace>/<release>`.
    pub owner: String,
    /// The counts.
    pub summary: Summary,
    /// The jobs by name.
    pub jobs: Jobs<'a>,
    /// What is worth knowing.
    pub warnings: Vec<String>,
    /// What went wrong with the run as a whole.
    pub errors: Vec<String>,
    /// The jobs that `check` was asked to run, by name.
    pub runs: Vec<RunReport>,
}

/// What came of a job that was to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Its name.
    pub job: String,
    /// Whether it succeeded; `None` where it was not run, or nothing is known of the run.
    pub success: Option<bool>,
    /// From the start of its last attempt to its end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The first lines of what it left as output, where it failed.
    pub output: String,
    /// Why nothing is known of a run.
    pub note: Option<String>,
    /// Whether it is an error; told among the errors.
    #[serde(skip)]
    pub failed: bool,
}

impl RunReport {
    /// Of a job of which nothing is known yet.
    pub fn of(job: &str) -> Self {
        Self { job: job.to_owned(), success: None, duration_ms: None, output: String::new(), note: None, failed: false }
    }
}

impl<'a> Report<'a> {
    /// What `plan` and `check` show.
    pub fn of_plan(command: &'static str, plan: &'a Plan, owner: &Owner, masker: &'a Masker) -> Self {
        let planned = |item: &Item| if item.change.is_write() { Outcome::Planned } else { Outcome::Unchanged };
        Self::of(command, plan, plan.items.iter().map(planned).collect(), owner, masker)
    }

    /// What came of a plan; `outcomes` are those of its items, in their order.
    pub fn new(
        command: &'static str,
        plan: &'a Plan,
        outcomes: &'a [Outcome],
        owner: &Owner,
        masker: &'a Masker,
    ) -> Self {
        Self::of(command, plan, Cow::Borrowed(outcomes), owner, masker)
    }

    fn of(
        command: &'static str,
        plan: &'a Plan,
        outcomes: Cow<'a, [Outcome]>,
        owner: &Owner,
        masker: &'a Masker,
    ) -> Self {
        let mut summary = Summary::default();
        for (item, outcome) in plan.items.iter().zip(&*outcomes) {
            count(&mut summary, command, item, outcome);
        }
        let warnings = plan.warnings.iter().map(|warning| masker.text(warning)).collect();
        let jobs = Jobs { command, items: &plan.items, outcomes, masker };
        let owner = masker.text(owner.as_str());
        Self { command, owner, summary, jobs, warnings, errors: Vec::new(), runs: Vec::new() }
    }

    /// The report of a run that ended before there was a plan; `errors` are what is wrong, one by one.
    pub fn of_errors(
        command: &'static str,
        owner: &Owner,
        errors: impl IntoIterator<Item = String>,
        masker: &'a Masker,
    ) -> Self {
        Self {
            command,
            owner: masker.text(owner.as_str()),
            summary: Summary::default(),
            jobs: Jobs { command, items: &[], outcomes: Cow::default(), masker },
            warnings: Vec::new(),
            errors: errors.into_iter().map(|error| masker.text(&error)).collect(),
            runs: Vec::new(),
        }
    }

    /// Adds the jobs that were to be run, masked.
    pub fn add_runs(&mut self, runs: impl IntoIterator<Item = RunReport>) {
        let masker = self.jobs.masker;
        self.runs.extend(runs.into_iter().map(|run| RunReport {
            job: masker.text(&run.job),
            output: masker.text(&run.output),
            note: run.note.map(|note| masker.text(&note)),
            ..run
        }));
    }

    /// Adds what was noticed beside the plan, masked.
    pub fn add_warnings(&mut self, warnings: impl IntoIterator<Item = String>) {
        let masker = self.jobs.masker;
        self.warnings.extend(warnings.into_iter().map(|warning| masker.text(&warning)));
    }

    /// Adds what went wrong beside the jobs, masked.
    pub fn add_errors(&mut self, errors: impl IntoIterator<Item = String>) {
        let masker = self.jobs.masker;
        self.errors.extend(errors.into_iter().map(|error| masker.text(&error)));
    }

    /// Whether carrying the plan out would send, or has tried to send, anything.
    pub fn has_changes(&self) -> bool {
        self.jobs.items.iter().any(|item| item.change.is_write())
    }

    /// Whether every write succeeded.
    pub fn is_success(&self) -> bool {
        self.summary.failed == 0 && self.summary.skipped == 0 && self.errors.is_empty()
    }
}

/// The lines of the jobs, each made when it is looked at: what all of them say is many times as long as the jobs themselves.
#[derive(Debug, Clone)]
pub struct Jobs<'a> {
    command: &'static str,
    items: &'a [Item],
    outcomes: Cow<'a, [Outcome]>,
    masker: &'a Masker,
}

impl Jobs<'_> {
    /// One line for each job.
    pub fn iter(&self) -> impl Iterator<Item = JobReport> {
        self.of(|_, _| true)
    }

    /// The lines of those that are wanted.
    fn of(&self, wanted: impl Fn(&Item, &Outcome) -> bool) -> impl Iterator<Item = JobReport> {
        let (command, masker) = (self.command, self.masker);
        self.items.iter().zip(&*self.outcomes).filter(move |(item, outcome)| wanted(item, outcome)).map(
            |(item, outcome)| JobReport {
                name: masker.text(&item.name),
                action: item.change.word(),
                outcome: outcome.word(),
                reasons: item.reasons.iter().map(|reason| masker.text(&words(command, reason))).collect(),
                changes: masker.changes(&item.changes(), &item.secret_fields),
                error: outcome.error().map(|error| masker.text(error)),
            },
        )
    }
}

impl Serialize for Jobs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

fn count(summary: &mut Summary, command: &str, item: &Item, outcome: &Outcome) {
    // A copy, and a job that is switched on, come back from nowhere.
    let as_it_was = |reason| usize::from(!matches!(command, "clone" | "enable") && item.reasons.contains(&reason));
    summary.kept_disabled += usize::from(item.reasons.contains(&Reason::KeptDisabled));
    match outcome {
        Outcome::Failed(_) => summary.failed += 1,
        Outcome::Skipped(_) => summary.skipped += 1,
        Outcome::Planned | Outcome::Unchanged | Outcome::Done => match &item.change {
            Change::Create { .. } => {
                summary.created += 1;
                summary.restored += as_it_was(Reason::Restored);
            }
            Change::Delete => summary.deleted += 1,
            Change::Keep { .. } => summary.unchanged += 1,
            Change::Update { heal, .. } => {
                summary.updated += 1;
                summary.healed += usize::from(heal.is_some());
                summary.rescheduled += usize::from(item.reschedules());
                summary.adopted += usize::from(item.reasons.contains(&Reason::Adopted));
                summary.restored += as_it_was(Reason::PutBack);
            }
        },
    }
}

fn words(command: &str, reason: &Reason) -> String {
    match reason {
        Reason::Restored if command == "clone" => "not there yet; copied".to_owned(),
        Reason::LeftAsItIs if command == "clone" => {
            "not like the copy; left, since only what is missing is copied".to_owned()
        }
        Reason::PutBack if command == "clone" => "not like the copy; written over".to_owned(),
        Reason::Released if command == "destroy" => {
            "this release wants nothing any more; left to its next owner, unstamped".to_owned()
        }
        Reason::PutBack if command == "enable" => "switched on".to_owned(),
        Reason::Missing => "not there yet".to_owned(),
        Reason::TemplateChanged => "the template changed".to_owned(),
        Reason::Differs => "not what the template says; the stamp cannot tell who changed it".to_owned(),
        Reason::DriftReverted => "edited by hand; put back".to_owned(),
        Reason::DriftKept => "edited by hand; left as it is".to_owned(),
        Reason::TemplateWins => "edited by hand, and the template changed too: the template wins".to_owned(),
        Reason::KeptDisabled => "disabled by hand; kept disabled".to_owned(),
        Reason::Adopted => "made by hand before; adopted".to_owned(),
        Reason::TakenOver(owner) => format!("taken over from {owner}"),
        Reason::SameAsForeign(owner) => format!("already as wanted, but belongs to {owner}"),
        Reason::NoTemplate => "no template wants it any more".to_owned(),
        Reason::PruneOff => "no template wants it any more; left, since pruning is off".to_owned(),
        Reason::HasChildren(_) => "no template wants it any more; stays, since it has children that stay".to_owned(),
        Reason::Destroyed => "this release wants nothing any more".to_owned(),
        Reason::Restored => "not there; brought back from the backup".to_owned(),
        Reason::LeftAsItIs => "not as it was; left, since only what is missing is brought back".to_owned(),
        Reason::PutBack => "not as it was; put back".to_owned(),
        Reason::Healed(stuck, Heal::Post) => format!("{stuck}; posted again"),
        Reason::Healed(stuck, Heal::Forget) => format!("{stuck}; its executions are deleted, with their history"),
        Reason::Healed(stuck, Heal::Anew { children }) if children.is_empty() => {
            format!("{stuck}; deleted and created again")
        }
        Reason::Healed(stuck, Heal::Anew { children }) => {
            let aside: Vec<_> = children.iter().map(|child| child.name.to_string()).collect();
            format!("{stuck}; deleted and created again, {} set aside meanwhile", plan::named(&aside))
        }
        Reason::Rescheduled(mismatch) => format!("{mismatch}; posted again"),
        Reason::LeftAiling(ailment, left) => format!("{ailment}; {left}"),
        Reason::Unparked => "set aside by a run that was cut short; put back".to_owned(),
        Reason::RunsAgain => "runs again if the grace period of its `@after` has not ended".to_owned(),
        Reason::Released => "no template wants it any more; left to its next owner, unstamped".to_owned(),
    }
}
