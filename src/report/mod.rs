//! What was planned and what came of it, for people and for machines.
//!
//! Everything here is masked already: a report can be shown to anyone who may read the log.

mod find;
mod mask;
mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::job::{Change, Job, Owner};
use crate::plan::{Action, Item, Plan, Reason};

pub(crate) use self::mask::carries_secret;
pub use self::mask::{MASK, Masker};
pub use self::text::Style;

/// A URL as it may be shown: without user, password and the values of parameters whose names say that they are secret.
pub fn shown_url(url: &url::Url) -> String {
    mask::url(url.as_str())
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
    /// Of the created: from a backup.
    pub restored: usize,
    /// Of the updated: there before without a stamp.
    pub adopted: usize,
    /// Switched off by hand and left so.
    pub kept_disabled: usize,
    /// Of the updated: were stuck.
    pub healed: usize,
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
    pub changes: Vec<Change>,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// The report of `plan` and `apply`; its JSON form is described by `schemas/report.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The command's name.
    pub command: &'static str,
    /// Whose jobs: `<namespace>/<release>`.
    pub owner: String,
    /// The counts.
    pub summary: Summary,
    /// The jobs by name.
    pub jobs: Vec<JobReport>,
    /// What is worth knowing.
    pub warnings: Vec<String>,
    /// What went wrong with the run as a whole.
    pub errors: Vec<String>,
}

impl Report {
    /// What `plan` shows.
    pub fn of_plan(plan: &Plan, owner: &Owner, masker: &Masker) -> Self {
        let outcomes: Vec<_> = plan
            .items
            .iter()
            .map(|item| if item.action == Action::Unchanged { Outcome::Unchanged } else { Outcome::Planned })
            .collect();
        Self::new("plan", plan, &outcomes, owner, masker)
    }

    /// What came of a plan; `outcomes` are those of its items, in their order.
    pub fn new(command: &'static str, plan: &Plan, outcomes: &[Outcome], owner: &Owner, masker: &Masker) -> Self {
        let mut summary = Summary::default();
        let mut jobs = Vec::with_capacity(plan.items.len());
        for (item, outcome) in plan.items.iter().zip(outcomes) {
            count(&mut summary, item, outcome);
            jobs.push(JobReport {
                name: masker.text(&item.name),
                action: item.action.word(),
                outcome: outcome.word(),
                reasons: item.reasons.iter().map(|reason| masker.text(&words(reason))).collect(),
                changes: masker.changes(&item.changes, &item.secret_fields),
                error: outcome.error().map(|error| masker.text(error)),
            });
        }
        let warnings = plan.warnings.iter().map(|warning| masker.text(warning)).collect();
        Self { command, owner: masker.text(owner.as_str()), summary, jobs, warnings, errors: Vec::new() }
    }

    /// The report of a run that ended before there was a plan.
    pub fn of_error(command: &'static str, owner: &Owner, error: &str, masker: &Masker) -> Self {
        Self {
            command,
            owner: masker.text(owner.as_str()),
            summary: Summary::default(),
            jobs: Vec::new(),
            warnings: Vec::new(),
            errors: vec![masker.text(error)],
        }
    }

    /// Whether carrying the plan out would send, or has tried to send, anything.
    pub fn has_changes(&self) -> bool {
        self.jobs.iter().any(|job| job.action != "unchanged")
    }

    /// Whether every write succeeded.
    pub fn is_success(&self) -> bool {
        self.summary.failed == 0 && self.summary.skipped == 0 && self.errors.is_empty()
    }
}

fn count(summary: &mut Summary, item: &Item, outcome: &Outcome) {
    summary.kept_disabled += usize::from(item.reasons.contains(&Reason::KeptDisabled));
    match outcome {
        Outcome::Failed(_) => summary.failed += 1,
        Outcome::Skipped(_) => summary.skipped += 1,
        Outcome::Planned | Outcome::Unchanged | Outcome::Done => match item.action {
            Action::Create(_) => summary.created += 1,
            Action::Delete => summary.deleted += 1,
            Action::Unchanged => summary.unchanged += 1,
            Action::Update(_) => {
                summary.updated += 1;
                summary.adopted += usize::from(item.reasons.contains(&Reason::Adopted));
            }
        },
    }
}

fn words(reason: &Reason) -> String {
    match reason {
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
        Reason::Released => "no template wants it any more; left to its next owner, unstamped".to_owned(),
    }
}

/// A definition with what is secret in it masked, to be shown.
pub fn masked(job: &Job, secret_fields: &BTreeSet<String>, masker: &Masker) -> Job {
    masker.job(job, secret_fields)
}
